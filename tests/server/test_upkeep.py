"""What the background thread does: looks again and again, gently, over outages, and purges."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pytest

from openkes.crypto import entry
from openkes.crypto.aead import Algorithm
from openkes.crypto.entry import Key
from openkes.keystore.cache import KeyCache
from openkes.keystore.lifecycle import Lifecycle
from openkes.server import upkeep
from openkes.server.upkeep import Upkeep
from tests.keystore.faulty import FaultyStore, wait_for

KEY = Key(Algorithm.AES256, bytes(32), b"h" * 32, 1, "me")
Start = Callable[[], Lifecycle]


@pytest.fixture
def store() -> FaultyStore:
    store = FaultyStore()
    for name in ("key-1", "key-2"):
        store.create(name, entry.encode(KEY, name))
    return store


@pytest.fixture
def start(store: FaultyStore) -> Iterator[Start]:
    """Starts the upkeep of a server on `store`."""
    made: list[Upkeep] = []

    def begin() -> Lifecycle:
        lifecycle = Lifecycle(KeyCache(store), 3600.0)
        made.append(Upkeep(lifecycle))
        made[-1].start()
        return lifecycle

    yield begin
    for one in made:
        one.stop()
        one._thread.join(10)
        assert not one._thread.is_alive()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("INTERVAL", "RETRY"):
        monkeypatch.setattr(upkeep, name, 0.01)
    monkeypatch.setattr(upkeep, "PER_ENTRY", 0.0)


@pytest.mark.usefixtures("quick")
def test_what_another_server_does_shows_by_itself(store: FaultyStore, start: Start) -> None:
    lifecycle = start()
    assert lifecycle.scanned.wait(10)
    other = Lifecycle(KeyCache(store), 3600.0)
    other.rotate("key-1", b"1" * 32, "you")
    other.delete("key-2")
    wait_for(lambda: lifecycle.versions() == {"key-1": 2} and lifecycle.pending() == other.pending())


@pytest.mark.usefixtures("quick")
def test_a_look_waits_for_a_store_that_is_away_and_says_so_once(
    store: FaultyStore, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    store.away()
    lifecycle = start()
    wait_for(lambda: store.calls["list"] > 3)
    assert not lifecycle.scanned.is_set()
    store.answer()
    assert lifecycle.scanned.wait(10)
    assert caplog.text.count("goes on when it is back") == 1


@pytest.mark.usefixtures("quick")
def test_deletions_are_carried_out(store: FaultyStore, start: Start, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    Lifecycle(KeyCache(store), 1e-9).delete("key-2")
    start()
    wait_for(lambda: store.list("", 10).names == ["key-1"])
    wait_for(lambda: "key key-2 was deleted for good" in caplog.text)


def test_a_look_rests_as_long_as_it_works(monkeypatch: pytest.MonkeyPatch, store: FaultyStore) -> None:
    one = Upkeep(Lifecycle(KeyCache(store)))
    rests: list[float] = []

    def rest(seconds: float) -> bool:
        rests.append(seconds)
        return False

    monkeypatch.setattr(one._stopped, "wait", rest)
    for _ in range(100):
        assert one._rest(0.004) is False
    assert sum(rests) == pytest.approx(0.4, abs=0.012)
    assert min(rests) >= upkeep.NAP


def test_a_store_of_many_entries_is_looked_at_less_often() -> None:
    assert upkeep.until_next(10) == upkeep.INTERVAL
    assert upkeep.until_next(5_000) == 3_000.0  # a hundred a minute


def test_a_stop_does_not_wait_for_the_end_of_a_look(store: FaultyStore) -> None:
    one = Upkeep(Lifecycle(KeyCache(store)))
    store.hang("get key-1")
    one.start()
    wait_for(lambda: store.hanging == 1)
    one._stopped.set()
    store.answer()
    one._thread.join(10)
    assert not one._thread.is_alive()
    assert store.calls["get"] == 1
