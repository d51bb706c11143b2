"""What a store keeps that several key servers share: each has a store object of its own, so that no lock and no memory
of one process helps. A back end subclasses `Shared` and gives, beside `store`, a fixture `again`: the same data behind
another store object."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

import pytest

from openkes.keystore import KeyExists, KeyNotFound, KeyStore
from tests.keystore.conformance import run_all

CALLS = 3  # at once, on each store object


def race(stores: list[KeyStore], call: Callable[[KeyStore, bytes], None]) -> list[bytes]:
    """The values of those that won, of calls with a value of their own each."""
    barrier = threading.Barrier(CALLS * len(stores))
    won: list[bytes] = []

    def one(store: KeyStore, value: bytes) -> None:
        barrier.wait()
        with contextlib.suppress(KeyExists):
            call(store, value)
            won.append(value)

    run_all([lambda s=store, v=b"%d-%d" % (at, i): one(s, v) for at, store in enumerate(stores) for i in range(CALLS)])
    return won


class Shared:
    def test_of_creators_on_two_servers_one_wins(self, store: KeyStore, again: KeyStore) -> None:
        won = race([store, again], lambda store, value: store.create("contended", value))
        assert len(won) == 1
        assert [store.get("contended"), again.get("contended")] == won * 2

    def test_of_replacers_on_two_servers_one_wins(self, store: KeyStore, again: KeyStore) -> None:
        store.create("contended", b"old")
        won = race([store, again], lambda store, value: store.replace("contended", b"old", value))
        assert len(won) == 1
        assert [store.get("contended"), again.get("contended")] == won * 2

    def test_what_one_server_does_the_other_finds(self, store: KeyStore, again: KeyStore) -> None:
        store.create("key", b"first")
        assert again.get("key") == b"first"
        again.replace("key", b"first", b"second")
        with pytest.raises(KeyExists):
            store.replace("key", b"first", b"third")
        assert store.get("key") == b"second"
        store.delete("key")
        with pytest.raises(KeyNotFound):
            again.get("key")
