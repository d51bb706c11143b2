"""How long a key is served without asking its store, and what is never cached."""

from __future__ import annotations

import threading

import pytest

from openkes.crypto import entry
from openkes.crypto.aead import Algorithm
from openkes.crypto.entry import Key
from openkes.keystore import KeyNotFound, Unreachable
from openkes.keystore.cache import Expiry, KeyCache
from openkes.keystore.memory import MemoryStore

KEY = Key(Algorithm.AES256, bytes(32), bytes(32), 1, "me")


class Store(MemoryStore):
    """Counts its reads, fails on demand, and can keep a reader waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0
        self.failing = False
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()

    def get(self, name: str) -> bytes:
        self.reads += 1
        self.entered.set()
        assert self.gate.wait(10)
        if self.failing:
            raise Unreachable("the store is away")
        return super().get(name)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store() -> Store:
    store = Store()
    store.create("key", entry.encode(KEY))
    return store


def cache_of(store: Store, clock: Clock, **expiry: float) -> KeyCache:
    return KeyCache(store, Expiry(**expiry), clock)


def test_the_second_get_does_not_ask_the_store(store: Store, clock: Clock) -> None:
    cache = cache_of(store, clock)
    assert cache.get("key") == cache.get("key") == KEY
    assert store.reads == 1


def test_peek_never_asks_the_store(store: Store, clock: Clock) -> None:
    cache = cache_of(store, clock)
    assert cache.peek("key") is None
    assert store.reads == 0
    cache.get("key")
    assert cache.peek("key") == KEY


def test_a_key_in_use_is_fetched_again_after_any(store: Store, clock: Clock) -> None:
    cache = cache_of(store, clock, any=100, unused=30)
    cache.get("key")
    for _ in range(5):
        clock.now += 20
        cache.get("key")
    assert store.reads == 1
    clock.now += 1
    cache.get("key")
    assert store.reads == 2


def test_an_unused_key_is_fetched_again_after_unused(store: Store, clock: Clock) -> None:
    cache = cache_of(store, clock, any=100, unused=30)
    cache.get("key")
    clock.now += 31
    assert cache.peek("key") is None


def test_keys_are_served_offline_for_so_long(store: Store, clock: Clock) -> None:
    cache = cache_of(store, clock, any=10, unused=10, offline=60)
    cache.get("key")
    store.failing = True
    clock.now += 69
    assert cache.get("key") == KEY
    clock.now += 2
    with pytest.raises(Unreachable):
        cache.get("key")


def test_without_offline_an_expired_key_is_not_served(store: Store, clock: Clock) -> None:
    cache = cache_of(store, clock, any=10, unused=10)
    cache.get("key")
    store.failing = True
    clock.now += 11
    with pytest.raises(Unreachable):
        cache.get("key")


def test_a_key_deleted_behind_the_cache_is_gone_after_any(store: Store, clock: Clock) -> None:
    cache = cache_of(store, clock, any=10, unused=10, offline=60)
    cache.get("key")
    MemoryStore.delete(store, "key")
    clock.now += 11
    with pytest.raises(KeyNotFound):
        cache.get("key")
    assert cache.peek("key") is None


def test_many_readers_make_one_fetch(store: Store, clock: Clock) -> None:
    cache = cache_of(store, clock)
    store.gate.clear()
    got: list[Key] = []
    threads = [threading.Thread(target=lambda: got.append(cache.get("key"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert store.entered.wait(10)
    store.gate.set()
    for thread in threads:
        thread.join()
    assert (len(got), store.reads) == (8, 1)


def test_a_malformed_entry_bricks_nothing_else(store: Store, clock: Clock) -> None:
    cache = cache_of(store, clock)
    store.create("empty", b"")
    with pytest.raises(entry.MalformedEntry, match="empty"):
        cache.get("empty")
    assert cache.get("key") == KEY


def test_memory_follows_use(store: Store, clock: Clock) -> None:
    cache = cache_of(store, clock, any=100, unused=30)
    for i in range(100):
        store.create(f"key-{i}", entry.encode(KEY))
        cache.get(f"key-{i}")
    clock.now += 31
    cache.get("key")
    assert list(cache._cached) == ["key"]
