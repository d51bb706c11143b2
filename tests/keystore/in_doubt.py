"""What a store keeps when requests or their answers are lost on the way. A back end subclasses `DoneOnce` and gives,
beside `store`: `proxy`, which loses changes of `key` or their answers; and `behind`, the same entries through it.

One that sees for itself whether somebody else has changed an entry meanwhile subclasses `InDoubt`, and gives `pauser`,
the part of `behind` whose `pause(until)` is called before something is sent once more; and `impatient`, which makes
calls end within `TOO_LONG`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from openkes.keystore import KeyExists, KeyNotFound, KeyStore, Unreachable
from tests.keystore.lossy import Proxy

TOO_LONG = 6.0  # seconds for a call that may take one, on a loaded machine
whatever_is_lost = pytest.mark.parametrize("lost", ["lost_answers", "lost_requests"])
Between = Callable[[Callable[[], None]], None]


class DoneOnce:
    @whatever_is_lost
    def test_a_create_is_done_once(self, store: KeyStore, proxy: Proxy, behind: KeyStore, lost: str) -> None:
        setattr(proxy, lost, 1)
        behind.create("key", b"entry")
        assert proxy.lost == 1
        assert behind.get("key") == b"entry"
        assert store.get("key") == b"entry"

    @whatever_is_lost
    def test_a_replace_is_done_once(self, store: KeyStore, proxy: Proxy, behind: KeyStore, lost: str) -> None:
        behind.create("key", b"old")
        setattr(proxy, lost, 1)
        behind.replace("key", b"old", b"new")
        assert proxy.lost == 1
        assert behind.get("key") == b"new"
        assert store.get("key") == b"new"

    @whatever_is_lost
    def test_a_delete_is_done(self, store: KeyStore, proxy: Proxy, behind: KeyStore, lost: str) -> None:
        behind.create("key", b"entry")
        setattr(proxy, lost, 1)
        behind.delete("key")
        assert proxy.lost == 1
        assert behind.list("", 10).names == []
        with pytest.raises(KeyNotFound):
            store.get("key")


class InDoubt(DoneOnce):
    @pytest.fixture
    def between(self, proxy: Proxy, pauser: Any) -> Between:
        """between(act): the next answer is lost, and `act` runs before the call is made again."""

        def prepare(act: Callable[[], None]) -> None:
            proxy.lost_answers = 1
            pause = pauser.pause

            def paused(until: float) -> object:
                if proxy.lost == 1:
                    pauser.pause = pause
                    act()
                return pause(until)

            pauser.pause = paused

        return prepare

    @whatever_is_lost
    def test_a_create_of_a_taken_name_is_refused(
        self, store: KeyStore, proxy: Proxy, behind: KeyStore, lost: str
    ) -> None:
        store.create("key", b"other")
        setattr(proxy, lost, 1)
        with pytest.raises(KeyExists):
            behind.create("key", b"entry")
        assert proxy.lost == 1
        assert store.get("key") == b"other"

    def test_a_delete_whose_answer_is_lost_spares_what_was_created_since(
        self, store: KeyStore, behind: KeyStore, between: Between
    ) -> None:
        behind.create("key", b"first")
        between(lambda: store.create("key", b"second"))
        behind.delete("key")
        assert store.get("key") == b"second"

    def test_a_replace_whose_answer_is_lost_is_not_done_over_what_came_since(
        self, store: KeyStore, behind: KeyStore, between: Between
    ) -> None:
        behind.create("key", b"old")
        between(lambda: store.replace("key", b"new", b"old"))
        with pytest.raises(KeyExists):
            behind.replace("key", b"old", b"new")
        assert store.get("key") == b"old"

    def test_a_replace_whose_answer_is_lost_of_an_entry_deleted_since(
        self, store: KeyStore, behind: KeyStore, between: Between
    ) -> None:
        behind.create("key", b"old")
        between(lambda: store.delete("key"))
        with pytest.raises(KeyNotFound):
            behind.replace("key", b"old", b"new")

    @pytest.mark.usefixtures("impatient")
    def test_what_is_lost_again_and_again_ends(self, proxy: Proxy, behind: KeyStore) -> None:
        proxy.lost_requests = 1_000_000
        begin = time.monotonic()
        with pytest.raises(Unreachable):
            behind.create("key", b"entry")
        assert time.monotonic() - begin < TOO_LONG
