"""Requests that are lost on their way, and answers that are lost on theirs: nothing is done twice, no key is lost, and
what is done is not called failed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

import pytest

from openkes.keystore import KeyExists, KeyNotFound, Unreachable
from openkes.keystore.vault import VaultStore
from openkes.keystore.vault.claims import FOLDER
from tests.keystore.bao import Refused
from tests.keystore.in_doubt import DoneOnce, whatever_is_lost
from tests.keystore.lossy import Proxy, lossy
from tests.keystore.vault.site import Site

TOO_LONG = 8.0  # seconds for a call that may take one, on a loaded machine


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three seconds in all, in place of nine."""
    monkeypatch.setattr("openkes.keystore.vault.LIMIT_SECONDS", 3.0)


@pytest.fixture
def proxy(kv: Site) -> Iterator[Proxy]:
    """Loses writes of the secret `key`, or their answers."""
    writes = f"POST /v1/{kv.path('key')} ", f"DELETE /v1/{kv.path('key', 'metadata')} "
    with lossy(("127.0.0.1", kv.bao.ports[2]), *(write.encode() for write in writes)) as proxy:
        yield proxy


@pytest.fixture
def behind(kv: Site, proxy: Proxy) -> VaultStore:
    return kv.open(urls=(f"http://127.0.0.1:{proxy.port}",))


@pytest.fixture
def store(kv: Site) -> VaultStore:
    """The same entries, by a way that loses nothing."""
    return kv.open()


def claims(kv: Site) -> list[str]:
    """Of the key `key`, which only version 1 has."""
    try:
        found: list[str] = kv.bao.call("LIST", f"{kv.path(FOLDER)}/key")["data"]["keys"]
    except Refused:
        return []
    return found


class TestDoneOnce(DoneOnce):
    """With the fixtures of this module."""


@whatever_is_lost
def test_a_create_writes_one_version(kv: Site, proxy: Proxy, behind: VaultStore, lost: str) -> None:
    setattr(proxy, lost, 1)
    behind.create("key", b"entry")
    if kv.layout.version == 2:
        assert kv.bao.call("GET", kv.path("key", "metadata"))["data"]["current_version"] == 1


@whatever_is_lost
def test_what_is_lost_again_and_again_ends(
    impatient: None, proxy: Proxy, behind: VaultStore, store: VaultStore, lost: str
) -> None:
    setattr(proxy, lost, 1_000_000)
    begin = time.monotonic()
    with contextlib.suppress(Unreachable):  # nobody knows; version 1 reads back, and does
        behind.create("key", b"entry")
    assert time.monotonic() - begin < TOO_LONG
    if lost == "lost_answers":
        assert store.get("key") == b"entry"
    else:
        with pytest.raises(KeyNotFound):
            store.get("key")


def between(store: VaultStore, *acts: Callable[[], object]) -> None:
    """Run `acts` once, when an answer was lost and before anything else is sent."""
    pause = store._client._nodes.pause
    left = list(acts)

    def paused(until: float) -> bool:
        while left:
            left.pop(0)()
        return pause(until)

    store._client._nodes.pause = paused  # type: ignore[method-assign]


class TestVersion1:
    """A write that nobody knows the end of may be carried out late: nobody else may change the key before that."""

    @pytest.fixture
    def version(self) -> int:
        return 1

    def test_an_answer_that_is_lost_leaves_no_claim(self, kv: Site, proxy: Proxy, behind: VaultStore) -> None:
        proxy.lost_answers = 1
        behind.create("key", b"entry")
        assert claims(kv) == []

    def test_a_request_that_is_lost_leaves_its_claim(
        self, kv: Site, proxy: Proxy, behind: VaultStore, store: VaultStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        proxy.lost_requests = 1
        behind.create("key", b"entry")
        assert len(claims(kv)) == 1
        monkeypatch.setattr("openkes.keystore.vault.LIMIT_SECONDS", 3.0)
        for call in (lambda: store.replace("key", b"entry", b"new"), lambda: store.delete("key")):
            with pytest.raises(Unreachable, match="somebody else changes key"):
                call()
        assert store.get("key") == b"entry"

    def test_one_that_is_lost_for_good_says_that_the_key_waits(
        self, impatient: None, proxy: Proxy, behind: VaultStore
    ) -> None:
        proxy.lost_requests = 1_000_000
        with pytest.raises(Unreachable, match="nobody changes key for 10 minutes"):
            behind.create("key", b"entry")


class TestVersion2:
    @pytest.fixture
    def version(self) -> int:
        return 2

    def test_a_create_that_was_lost_is_refused_when_the_name_is_taken_meanwhile(
        self, proxy: Proxy, behind: VaultStore, store: VaultStore
    ) -> None:
        proxy.lost_requests = 1
        between(behind, lambda: store.create("key", b"other"))
        with pytest.raises(KeyExists):
            behind.create("key", b"entry")
        assert store.get("key") == b"other"

    def test_a_delete_spares_what_was_created_since(self, proxy: Proxy, behind: VaultStore, store: VaultStore) -> None:
        behind.create("key", b"first")
        proxy.lost_answers = 1
        between(behind, lambda: store.create("key", b"second"))
        behind.delete("key")
        assert store.get("key") == b"second"

    def test_a_replace_is_not_done_over_what_came_since(
        self, proxy: Proxy, behind: VaultStore, store: VaultStore
    ) -> None:
        behind.create("key", b"old")
        proxy.lost_answers = 1
        between(behind, lambda: store.replace("key", b"new", b"newer"))
        with pytest.raises(KeyExists):
            behind.replace("key", b"old", b"new")
        assert store.get("key") == b"newer"

    def test_a_create_that_was_replaced_since_is_not_done_again(
        self, proxy: Proxy, behind: VaultStore, store: VaultStore
    ) -> None:
        proxy.lost_answers = 1
        between(behind, lambda: store.replace("key", b"first", b"second"))
        with pytest.raises(KeyExists):
            behind.create("key", b"first")
        assert store.get("key") == b"second"
