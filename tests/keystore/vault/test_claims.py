"""Claims: who may change a key of a KV engine of version 1, whoever dies, dawdles or has a wrong clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from openkes.keystore import KeyExists, Unreachable
from openkes.keystore.vault import VaultStore
from openkes.keystore.vault.claims import FOLDER, STALE_SECONDS
from tests.keystore.bao import Bao
from tests.keystore.faulty import running, wait_for
from tests.keystore.vault.site import Site, site
from tests.keystore.vault.test_doubt import claims


@pytest.fixture
def kv(bao: Bao) -> Iterator[Site]:
    made = site(bao, 1)
    yield made
    made.close()


@pytest.fixture
def store(kv: Site) -> VaultStore:
    return kv.open()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openkes.keystore.vault.LIMIT_SECONDS", 1.0)


def leave(kv: Site, name: str) -> None:
    kv.bao.call("POST", f"{kv.path(FOLDER)}/key/{name}", {"claim": "of a test"})


def aged(seconds: float) -> str:
    return f"{int(time.time() - seconds):010d}-0123456789abcdef"


def test_no_claim_stays(kv: Site, store: VaultStore) -> None:
    store.create("key", b"old")
    with pytest.raises(KeyExists):
        store.create("key", b"other")
    store.replace("key", b"old", b"new")
    with pytest.raises(KeyExists):
        store.replace("key", b"old", b"other")
    assert claims(kv) == []
    store.delete("key")
    assert claims(kv) == []


@pytest.mark.usefixtures("impatient")
def test_somebody_elses_claim_is_respected(kv: Site, store: VaultStore) -> None:
    other = aged(STALE_SECONDS - 60)
    leave(kv, other)
    with pytest.raises(Unreachable, match=rf"somebody else changes key \(its claim is .*{other}\): try again"):
        store.create("key", b"entry")
    assert claims(kv) == [other]
    assert store.list("", 10).names == []


def test_one_that_a_dead_server_left_does_not_count(
    kv: Site, store: VaultStore, caplog: pytest.LogCaptureFixture
) -> None:
    left = aged(STALE_SECONDS + 60)
    leave(kv, left)
    store.create("key", b"entry")
    assert store.get("key") == b"entry"
    assert claims(kv) == []
    assert left in caplog.text


@pytest.mark.usefixtures("impatient")
def test_what_is_no_claim_is_named_and_left(kv: Site, store: VaultStore) -> None:
    leave(kv, "something")
    with pytest.raises(Unreachable, match=f"{FOLDER}/key/something"):
        store.create("key", b"entry")
    assert claims(kv) == ["something"]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("hours", [-5, 5])
def test_a_key_server_with_a_wrong_clock_sees_the_age_of_a_claim(
    kv: Site, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    leave(kv, aged(0))
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + hours * 3600)
    with pytest.raises(Unreachable, match="somebody else changes key"):
        kv.open().create("key", b"entry")


def test_claims_of_other_keys_do_not_matter_nor_are_they_listed(kv: Site, store: VaultStore) -> None:
    leave(kv, aged(0))
    store.create("other", b"entry")
    assert store.list("", 10).names == ["other"]


def test_whoever_has_the_claim_is_not_overtaken(kv: Site, store: VaultStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Held up between its last look and its write, the worst place."""
    slow = kv.open()
    held, go_on = threading.Event(), threading.Event()
    change = slow._engine._change  # type: ignore[attr-defined]

    def dawdle(*arguments: object) -> None:
        held.set()
        assert go_on.wait(60)
        change(*arguments)

    slow._engine._change = dawdle  # type: ignore[attr-defined]
    with running(lambda: slow.create("key", b"slow")):
        wait_for(held.is_set)
        with monkeypatch.context() as patch:
            patch.setattr("openkes.keystore.vault.LIMIT_SECONDS", 1.0)
            with pytest.raises(Unreachable, match="somebody else changes key"):
                store.create("key", b"fast")
        go_on.set()
    with pytest.raises(KeyExists):
        store.create("key", b"fast")
    assert store.get("key") == b"slow"


def test_one_server_waits_for_itself(kv: Site, store: VaultStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a lock, which costs nothing, and no longer than a call may take."""
    store.create("key", b"entry")
    monkeypatch.setattr("openkes.keystore.vault.LIMIT_SECONDS", 0.5)
    locks = store._engine._claims._locks  # type: ignore[attr-defined]
    for lock in locks:
        lock.acquire()
    with pytest.raises(Unreachable, match="other changes of key take too long"):
        store.delete("key")
    for lock in locks:
        lock.release()
    store.delete("key")
