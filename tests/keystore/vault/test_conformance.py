"""The Vault store keeps the interface: on both versions of the KV engine, wrapped by transit or not, and when several
key servers use the same entries."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from openkes.keystore import KeyExists, KeyNotFound
from openkes.keystore.vault import VaultStore
from tests.keystore.bao import Bao
from tests.keystore.conformance import Conformance, run_all
from tests.keystore.vault.site import Site, site

COUNT = 5_000


@pytest.fixture
def store(kv: Site) -> VaultStore:
    return kv.open()


class TestPlain(Conformance):
    """With the fixture `store` of this module."""


class TestWrapped(Conformance):
    @pytest.fixture
    def store(self, bao: Bao, version: int) -> Iterator[VaultStore]:
        made = site(bao, version, wrapped=True)
        yield made.open()
        made.close()


def race(stores: list[VaultStore], call: Callable[[VaultStore, bytes], None]) -> list[bytes]:
    """Four calls on each store at once, every one with a value of its own; the values of those that won."""
    barrier = threading.Barrier(4 * len(stores))
    won: list[bytes] = []

    def one(at: int, value: bytes) -> None:
        barrier.wait()
        with contextlib.suppress(KeyExists):
            call(stores[at], value)
            won.append(value)

    pairs = itertools.product(range(len(stores)), range(4))
    run_all([lambda at=at, i=i: one(at, b"value-%d-%d" % (at, i)) for at, i in pairs])
    return won


def raise_together(stores: list[VaultStore]) -> None:
    """The number `counter`, five times by each, as rotations do it: read, change, compare and set until it fits."""

    def raise_it(store: VaultStore) -> None:
        for _ in range(5):
            while True:
                old = store.get("counter")
                with contextlib.suppress(KeyExists):
                    store.replace("counter", old, b"%d" % (int(old) + 1))
                    break

    run_all([lambda s=s: raise_it(s) for s in stores])


class TestSeveralServers:
    """Each has a store of its own: they share no lock and no memory."""

    @pytest.fixture
    def stores(self, kv: Site) -> list[VaultStore]:
        return [kv.open() for _ in range(3)]

    @pytest.mark.parametrize("round_", range(5))
    def test_one_of_many_creators_wins(self, stores: list[VaultStore], round_: int) -> None:
        won = race(stores, lambda store, value: store.create("contended", value))
        assert len(won) == 1
        assert [store.get("contended") for store in stores] == won * len(stores)

    @pytest.mark.parametrize("round_", range(5))
    def test_one_of_many_replacers_wins(self, stores: list[VaultStore], round_: int) -> None:
        stores[0].create("contended", b"old")
        won = race(stores, lambda store, value: store.replace("contended", b"old", value))
        assert len(won) == 1
        assert [store.get("contended") for store in stores] == won * len(stores)

    def test_a_counter_that_all_raise_misses_nothing(self, stores: list[VaultStore]) -> None:
        stores[0].create("counter", b"0")
        raise_together(stores)
        assert {store.get("counter") for store in stores} == {b"15"}

    def test_deleted_by_one_and_created_by_another(self, stores: list[VaultStore]) -> None:
        for value in (b"first", b"second", b"third"):
            stores[0].create("key", value)
            assert stores[1].get("key") == value
            stores[2].delete("key")
            with pytest.raises(KeyNotFound):
                stores[0].get("key")


def test_a_list_of_5000_names(kv: Site) -> None:
    names = [f"key-{i:04d}" for i in range(COUNT)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: kv.put(name, "entry"), names))
    store = kv.open()
    assert store.list("", 10_000).names == names
    page = store.list("key-4", 3, "key-41")
    assert (page.names, page.continue_at) == (["key-4100", "key-4101", "key-4102"], "key-4103")
