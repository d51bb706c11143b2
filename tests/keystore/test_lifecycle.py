"""How keys come, change and go: stored, read back, served; deleted names wait and are not made anew."""

from __future__ import annotations

import contextlib
import threading
from functools import partial

import pytest

from openkes.crypto import entry
from openkes.crypto.aead import Algorithm
from openkes.crypto.entry import Key, MalformedEntry
from openkes.keystore import KeyExists, KeyNotFound, Unreachable
from openkes.keystore.cache import KeyCache
from openkes.keystore.lifecycle import Lifecycle, NotReadBack
from openkes.keystore.memory import MemoryStore
from tests.keystore.faulty import FaultyStore, running

KEY = Key(Algorithm.AES256, bytes(32), b"h" * 32, 1, "me")
OTHER = Key(Algorithm.AES256, b"\1" * 32, b"h" * 32, 1, "me")
HOUR = 3600.0


class Clock:
    now = 1_000_000_000_000_000_000

    def __call__(self) -> int:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += int(seconds * 1e9)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def cache(store: MemoryStore) -> KeyCache:
    return KeyCache(store)


@pytest.fixture
def life(cache: KeyCache, clock: Clock) -> Lifecycle:
    return Lifecycle(cache, HOUR, clock)


def test_a_created_key_is_stored_and_served(life: Lifecycle, cache: KeyCache, store: MemoryStore) -> None:
    life.create("key", KEY)
    assert entry.decode(store.get("key"), "key") == KEY
    assert cache.peek("key") == KEY


def test_a_key_that_was_not_stored_is_not_served(life: Lifecycle, cache: KeyCache, store: MemoryStore) -> None:
    store.close()
    with pytest.raises(Unreachable):
        life.create("key", KEY)
    assert cache.peek("key") is None


@pytest.mark.parametrize("back", [entry.encode(OTHER, "key"), b"", b"garbage"], ids=["other", "empty", "garbage"])
def test_a_key_that_reads_back_otherwise_is_not_served(
    life: Lifecycle, cache: KeyCache, store: MemoryStore, monkeypatch: pytest.MonkeyPatch, back: bytes
) -> None:
    monkeypatch.setattr(store, "get", lambda name: back)
    with pytest.raises(NotReadBack):
        life.create("key", KEY)
    assert cache.peek("key") is None


@pytest.mark.parametrize("what", ["rotate", "delete"])
def test_a_change_by_somebody_else_before_reading_back_is_no_failure(
    life: Lifecycle, cache: KeyCache, store: MemoryStore, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    get = store.get

    def change_first(name: str) -> bytes:
        monkeypatch.setattr(store, "get", get)
        other = Lifecycle(KeyCache(store), HOUR)
        other.rotate(name, b"\1" * 32, "you") if what == "rotate" else other.delete(name)
        return get(name)

    monkeypatch.setattr(store, "get", change_first)
    life.create("key", KEY)
    served = cache.peek("key")
    assert (served.version if served else None) == (2 if what == "rotate" else None)


def test_create_never_replaces(life: Lifecycle, cache: KeyCache) -> None:
    life.create("key", KEY)
    with pytest.raises(KeyExists):
        life.create("key", OTHER)
    assert cache.get("key") == KEY


def test_create_never_replaces_a_malformed_entry(life: Lifecycle, store: MemoryStore) -> None:
    store.create("key", b"")
    with pytest.raises(KeyExists):
        life.create("key", KEY)
    assert store.get("key") == b""


def test_a_deleted_key_is_gone_at_once(life: Lifecycle, cache: KeyCache) -> None:
    life.create("key", KEY)
    life.delete("key")
    with pytest.raises(KeyNotFound):
        cache.get("key")
    with pytest.raises(KeyNotFound):
        life.delete("key")


def test_a_deleted_name_is_not_made_anew(life: Lifecycle, clock: Clock) -> None:
    life.create("key", KEY)
    life.delete("key")
    clock.pass_(HOUR - 1)
    with pytest.raises(KeyExists):
        life.create("key", OTHER)


def test_after_its_period_a_deleted_name_is_free(life: Lifecycle, clock: Clock, cache: KeyCache) -> None:
    life.create("key", KEY)
    life.delete("key")
    clock.pass_(HOUR)
    life.create("key", OTHER)
    assert cache.get("key") == OTHER
    assert life.pending() == {}


def test_a_name_that_another_server_frees_meanwhile_is_made(
    life: Lifecycle, store: MemoryStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    life.create("key", KEY)
    life.delete("key")
    clock.pass_(HOUR)
    replace = store.replace

    def purge_first(name: str, old: bytes, new: bytes) -> None:
        monkeypatch.setattr(store, "replace", replace)
        other = Lifecycle(KeyCache(store), HOUR, clock)
        other.scan()
        assert other.purge() == ["key"]
        replace(name, old, new)

    monkeypatch.setattr(store, "replace", purge_first)
    life.create("key", OTHER)
    assert entry.decode(store.get("key"), "key") == OTHER


def test_undelete_brings_the_same_key_back(life: Lifecycle, cache: KeyCache, clock: Clock) -> None:
    life.create("key", KEY)
    life.delete("key")
    clock.pass_(HOUR - 1)
    life.undelete("key")
    assert cache.get("key") == KEY
    assert life.pending() == {}


def test_undelete_of_a_living_key(life: Lifecycle) -> None:
    life.create("key", KEY)
    with pytest.raises(KeyNotFound):
        life.undelete("key")


def test_undelete_after_the_period(life: Lifecycle, clock: Clock) -> None:
    life.create("key", KEY)
    life.delete("key")
    clock.pass_(HOUR)
    with pytest.raises(KeyNotFound):
        life.undelete("key")


def test_purge_removes_what_has_waited_and_nothing_else(life: Lifecycle, store: MemoryStore, clock: Clock) -> None:
    for name in ("old", "young", "alive"):
        life.create(name, KEY)
    life.delete("old")
    clock.pass_(HOUR / 2)
    life.delete("young")
    clock.pass_(HOUR / 2)
    assert life.purge() == ["old"]
    assert store.list("", 10).names == ["alive", "young"]
    assert list(life.pending()) == ["young"]


def test_purge_leaves_a_key_that_was_undeleted_elsewhere(
    life: Lifecycle, cache: KeyCache, store: MemoryStore, clock: Clock
) -> None:
    life.create("key", KEY)
    life.delete("key")
    Lifecycle(KeyCache(store), HOUR, clock).undelete("key")
    clock.pass_(HOUR)
    assert life.purge() == []
    assert cache.get("key") == KEY


def test_purge_leaves_a_key_that_somebody_makes_meanwhile(
    life: Lifecycle, store: MemoryStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    life.create("key", KEY)
    life.delete("key")
    clock.pass_(HOUR)
    replace = store.replace

    def create_first(name: str, old: bytes, new: bytes) -> None:
        monkeypatch.setattr(store, "replace", replace)
        Lifecycle(KeyCache(store), HOUR, clock).create(name, OTHER)
        replace(name, old, new)

    monkeypatch.setattr(store, "replace", create_first)
    assert life.purge() == []
    assert entry.decode(store.get("key"), "key") == OTHER


def test_nobody_takes_a_name_while_its_entry_is_removed(
    life: Lifecycle, store: MemoryStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    life.create("key", KEY)
    life.delete("key")
    clock.pass_(HOUR)
    delete, refused = store.delete, []

    def try_first(name: str) -> None:
        other = Lifecycle(KeyCache(store), HOUR, clock)
        for error, attempt in (
            (KeyExists, lambda: other.create(name, OTHER)),
            (KeyNotFound, lambda: other.undelete(name)),
        ):
            with pytest.raises(error):
                attempt()
            refused.append(error)
        delete(name)

    monkeypatch.setattr(store, "delete", try_first)
    assert life.purge() == ["key"]
    assert refused == [KeyExists, KeyNotFound]


def test_of_servers_that_purge_at_once_one_removes_and_a_new_key_stays(clock: Clock) -> None:
    store = FaultyStore()
    servers = [Lifecycle(KeyCache(store), HOUR, clock) for _ in range(4)]
    names = [f"key-{i}" for i in range(20)]
    for name in names:
        servers[0].create(name, KEY)
        servers[0].delete(name)
    for server in servers:
        server.scan()
    clock.pass_(HOUR)
    begin = threading.Barrier(len(servers) + 1)
    gone: list[str] = []

    def purge(server: Lifecycle) -> None:
        begin.wait(10)
        gone.extend(server.purge())

    def create() -> None:
        begin.wait(10)
        creator = Lifecycle(KeyCache(store), HOUR, clock)
        for name in reversed(names):
            with contextlib.suppress(KeyExists):  # being removed just now
                creator.create(name, OTHER)

    with running(create, *[partial(purge, server) for server in servers]):
        pass
    left = store.list("", 100).names
    assert len(set(gone)) == len(gone)
    assert [entry.decode(store.get(name), name) for name in left] == [OTHER] * len(left)
    assert {*gone, *left} == set(names)


def test_a_removal_that_was_held_up_for_long_removes_nothing(
    life: Lifecycle, store: MemoryStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    life.create("key", KEY)
    life.delete("key")
    clock.pass_(HOUR)
    replace = store.replace

    def held_up(name: str, old: bytes, new: bytes) -> None:
        replace(name, old, new)
        clock.pass_(2 * HOUR)  # another server may remove it, and a third make a new key
        store.delete(name)
        store.create(name, entry.encode(OTHER, name))

    monkeypatch.setattr(store, "replace", held_up)
    assert life.purge() == []
    assert entry.decode(store.get("key"), "key") == OTHER


def test_a_removal_that_was_broken_off_is_finished_later(
    life: Lifecycle, store: MemoryStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    life.create("key", KEY)
    life.delete("key")
    clock.pass_(HOUR)
    with monkeypatch.context() as broken:
        broken.setattr(store, "delete", lambda name: store.get("nothing"))
        assert life.purge() == []
    clock.pass_(2 * HOUR)
    other = Lifecycle(KeyCache(store), HOUR, clock)
    other.scan()
    assert other.purge() == ["key"]
    assert store.list("", 10).names == []


def test_a_scan_does_not_list_a_key_that_is_undeleted_meanwhile(
    life: Lifecycle, cache: KeyCache, store: MemoryStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    life.create("key", KEY)
    life.delete("key")
    life = Lifecycle(cache, HOUR, clock)
    get, undeleter = store.get, threading.Thread(target=lambda: life.undelete("key"))

    def undelete_after(name: str) -> bytes:
        value = get(name)
        monkeypatch.setattr(store, "get", get)
        undeleter.start()
        undeleter.join(0.2)  # it gets through only where nothing keeps it waiting
        return value

    monkeypatch.setattr(store, "get", undelete_after)
    life.scan()
    undeleter.join()
    assert life.pending() == {}


def test_a_new_key_has_none_of_the_versions_of_the_old_one(cache: KeyCache, clock: Clock) -> None:
    life = Lifecycle(cache, 0.0, clock)
    life.create("key", KEY)
    life.rotate("key", b"\1" * 32, "you")
    life.delete("key")
    assert life.versions() == {}


def test_create_on_an_entry_that_the_store_cannot_read(life: Lifecycle, store: MemoryStore) -> None:
    def unreadable(name: str) -> bytes:
        raise MalformedEntry("it cannot be unsealed")

    store.create("key", b"sealed")
    store.get = unreadable  # type: ignore[method-assign]
    with pytest.raises(KeyExists):
        life.create("key", KEY)


def test_another_process_knows_what_waits(life: Lifecycle, store: MemoryStore, clock: Clock) -> None:
    life.create("key", KEY)
    life.delete("key")
    other = Lifecycle(KeyCache(store), HOUR, clock)
    other.scan()
    assert other.pending() == life.pending() != {}


def test_without_a_period_a_deleted_entry_is_gone(cache: KeyCache, store: MemoryStore, clock: Clock) -> None:
    life = Lifecycle(cache, 0.0, clock)
    life.create("key", KEY)
    life.delete("key")
    assert store.list("", 10).names == []
    life.create("key", OTHER)


def test_a_malformed_entry_is_not_deleted_by_way_of_waiting(life: Lifecycle, store: MemoryStore) -> None:
    store.create("key", b"garbage")
    with pytest.raises(MalformedEntry):
        life.delete("key")
    assert store.get("key") == b"garbage"


def test_rotation_keeps_every_version(life: Lifecycle, cache: KeyCache) -> None:
    life.create("key", KEY)
    life.rotate("key", b"\1" * 32, "you")
    life.rotate("key", b"\2" * 32, "you")
    key = cache.get("key")
    assert [(v.number, v.key) for v in key.versions()] == [(3, b"\2" * 32), (2, b"\1" * 32), (1, bytes(32))]
    assert key.hmac_key == KEY.hmac_key
    assert life.versions() == {"key": 3}


def test_rotation_of_a_deleted_key(life: Lifecycle) -> None:
    life.create("key", KEY)
    life.delete("key")
    with pytest.raises(KeyNotFound):
        life.rotate("key", b"\1" * 32, "you")


def test_of_rotations_at_once_none_is_lost(life: Lifecycle, cache: KeyCache) -> None:
    life.create("key", KEY)
    threads = [threading.Thread(target=life.rotate, args=("key", bytes([i]) * 32, "you")) for i in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(v.key[0] for v in cache.get("key").versions()) == list(range(9))


def test_a_rotation_that_lost_a_race_changes_nothing(
    life: Lifecycle, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    life.create("key", KEY)
    get = store.get

    def get_then_change(name: str) -> bytes:
        value = get(name)
        monkeypatch.setattr(store, "get", get)
        Lifecycle(KeyCache(store)).rotate(name, b"\7" * 32, "somebody")
        return value

    monkeypatch.setattr(store, "get", get_then_change)
    with pytest.raises(KeyExists):
        life.rotate("key", b"\1" * 32, "you")
    assert entry.decode(store.get("key")).key == b"\7" * 32


def test_a_scan_reports_untagged_and_malformed_entries(
    life: Lifecycle, store: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    life.create("good", KEY)
    store.create("old", entry.encode(KEY, tagged=False))
    store.create("bad", b"garbage")
    scan = life.scan()
    assert (scan.entries, scan.untagged, scan.malformed) == (2, ("old",), ("bad",))
    assert "stored key bad is malformed" in caplog.text


def test_a_delete_waits_for_a_running_fetch_and_wins(
    life: Lifecycle, cache: KeyCache, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    life.create("key", KEY)
    cache.clear()
    gate, entered = threading.Event(), threading.Event()
    get = store.get

    def slow(name: str) -> bytes:
        entered.set()
        assert gate.wait(10)
        return get(name)

    monkeypatch.setattr(store, "get", slow)
    reader = threading.Thread(target=cache.get, args=("key",))
    reader.start()
    assert entered.wait(10)
    deleter = threading.Thread(target=life.delete, args=("key",))
    deleter.start()
    gate.set()
    reader.join()
    deleter.join()
    assert cache.peek("key") is None
