"""How long a key is served without asking its store, and what is never cached."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from openkes.crypto import entry
from openkes.crypto.aead import Algorithm
from openkes.crypto.entry import Key
from openkes.keystore import KeyNotFound, Unreachable
from openkes.keystore.cache import MOST_BACKGROUND, RETRY, Expiry, KeyCache
from openkes.keystore.lifecycle import Lifecycle
from tests.keystore.faulty import FaultyStore, running, wait_for

KEY = Key(Algorithm.AES256, bytes(32), bytes(32), 1, "me")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store() -> FaultyStore:
    store = FaultyStore()
    store.create("key", entry.encode(KEY))
    return store


def cache_of(store: FaultyStore, clock: Clock, **expiry: float) -> KeyCache:
    return KeyCache(store, Expiry(**expiry), clock)


def test_the_second_get_does_not_ask_the_store(store: FaultyStore, clock: Clock) -> None:
    cache = cache_of(store, clock)
    assert cache.get("key") == cache.get("key") == KEY
    assert store.calls["get"] == 1


def test_peek_never_asks_the_store(store: FaultyStore, clock: Clock) -> None:
    cache = cache_of(store, clock)
    assert cache.peek("key") is None
    assert store.calls["get"] == 0
    cache.get("key")
    assert cache.peek("key") == KEY


def test_a_key_in_use_is_fetched_again_after_any(store: FaultyStore, clock: Clock) -> None:
    cache = cache_of(store, clock, any=100, unused=30)
    cache.get("key")
    for _ in range(4):
        clock.now += 20
        cache.get("key")
    assert store.calls["get"] == 1
    clock.now += 21
    cache.get("key")
    assert store.calls["get"] == 2


def test_a_key_in_use_is_fetched_before_its_time_and_nobody_waits(store: FaultyStore, clock: Clock) -> None:
    cache = cache_of(store, clock, any=100, unused=100)
    cache.get("key")
    clock.now += 91
    assert cache.get("key") == KEY
    wait_for(lambda: store.calls["get"] == 2)
    clock.now += 11
    wait_for(lambda: cache.peek("key") is not None)
    assert store.calls["get"] == 2


def test_many_keys_are_not_all_fetched_at_once_before_their_time(store: FaultyStore, clock: Clock) -> None:
    cache = cache_of(store, clock, any=100, unused=100)
    names = [f"key-{i}" for i in range(3 * MOST_BACKGROUND)]
    for name in names:
        store.create(name, entry.encode(KEY))
        cache.get(name)
    store.calls.clear()
    store.hang("get")
    clock.now += 91
    for name in names:
        assert cache.peek(name) == KEY
    wait_for(lambda: store.hanging == MOST_BACKGROUND)
    assert store.calls["get"] == MOST_BACKGROUND
    store.answer()

    def all_fetched() -> bool:
        for name in names:
            cache.peek(name)
        return store.calls["get"] == len(names)

    wait_for(all_fetched)


def test_a_key_deleted_elsewhere_is_gone_when_it_is_fetched_before_its_time(store: FaultyStore, clock: Clock) -> None:
    cache = cache_of(store, clock, any=100, unused=100, offline=100)
    cache.get("key")
    store.delete("key")
    clock.now += 91
    assert cache.get("key") == KEY
    wait_for(lambda: cache.peek("key") is None)


def test_a_store_that_fails_before_a_keys_time_changes_nothing(store: FaultyStore, clock: Clock) -> None:
    cache = cache_of(store, clock, any=100, unused=100)
    cache.get("key")
    store.away()
    clock.now += 91
    assert cache.get("key") == KEY
    wait_for(lambda: store.calls["get"] == 2)
    clock.now += 8
    assert cache.get("key") == KEY
    clock.now += 2
    with pytest.raises(Unreachable):
        cache.get("key")


def test_while_the_store_is_away_nothing_is_fetched_before_its_time(store: FaultyStore, clock: Clock) -> None:
    cache = cache_of(store, clock, any=100, unused=100)
    cache.get("key")
    cache.store_away(True)
    clock.now += 91
    assert cache.get("key") == KEY
    assert store.calls["get"] == 1


def test_an_unused_key_is_fetched_again_after_unused(store: FaultyStore, clock: Clock) -> None:
    cache = cache_of(store, clock, any=100, unused=30)
    cache.get("key")
    clock.now += 31
    assert cache.peek("key") is None


def test_keys_are_served_offline_for_so_long(store: FaultyStore, clock: Clock) -> None:
    cache = cache_of(store, clock, any=10, unused=10, offline=60)
    cache.get("key")
    store.away()
    clock.now += 69
    assert cache.get("key") == KEY
    clock.now += 2
    with pytest.raises(Unreachable):
        cache.get("key")


def test_without_offline_an_expired_key_is_not_served(store: FaultyStore, clock: Clock) -> None:
    cache = cache_of(store, clock, any=10, unused=10)
    cache.get("key")
    store.away()
    clock.now += 11
    with pytest.raises(Unreachable):
        cache.get("key")


def test_a_key_deleted_behind_the_cache_is_gone_after_any(store: FaultyStore, clock: Clock) -> None:
    cache = cache_of(store, clock, any=10, unused=10, offline=60)
    cache.get("key")
    store.delete("key")
    clock.now += 11
    with pytest.raises(KeyNotFound):
        cache.get("key")
    assert cache.peek("key") is None


def outcomes_of(cache: KeyCache, store: FaultyStore, count: int) -> tuple[list[object], list[Callable[[], None]]]:
    """Calls of `get`, and the list of what came of them."""
    outcomes: list[object] = []

    def get() -> None:
        try:
            outcomes.append(cache.get("key"))
        except Unreachable as error:
            outcomes.append(str(error))

    return outcomes, [get] * count


def all_wait(cache: KeyCache, count: int, name: str = "key") -> bool:
    """Whether `count` callers wait for the fetch of a key."""
    fetch = cache._fetches.get(name)
    return fetch is not None and len(fetch.done._cond._waiters) == count  # type: ignore[attr-defined]


def test_many_readers_make_one_fetch(store: FaultyStore, clock: Clock) -> None:
    cache = cache_of(store, clock)
    store.hang("get")
    outcomes, calls = outcomes_of(cache, store, 8)
    with running(*calls):
        wait_for(lambda: all_wait(cache, 7))
        store.answer()
    assert (outcomes, store.calls["get"]) == ([KEY] * 8, 1)


def test_many_readers_share_one_failure(store: FaultyStore, clock: Clock) -> None:
    cache = cache_of(store, clock)
    store.hang("get")
    outcomes, calls = outcomes_of(cache, store, 8)
    with running(*calls):
        wait_for(lambda: all_wait(cache, 7))
        store.away()
    assert (outcomes, store.calls["get"]) == (["the store is away"] * 8, 1)


def test_a_key_that_was_made_during_a_fetch_that_found_none_is_found(store: FaultyStore, clock: Clock) -> None:
    cache = cache_of(store, clock)
    get = store.inner.get

    def too_early(name: str) -> bytes:
        store.inner.get = get  # type: ignore[method-assign]
        raise KeyNotFound(name)

    store.inner.get = too_early  # type: ignore[method-assign]
    store.hang("get")
    found: list[object] = []

    def get_early() -> None:
        with pytest.raises(KeyNotFound):
            cache.get("new")
        found.append(None)

    with running(get_early):
        wait_for(lambda: store.hanging == 1)
        store.inner.create("new", entry.encode(KEY))
        clock.now += 1
        with running(lambda: found.append(cache.get("new"))):
            wait_for(lambda: all_wait(cache, 1, "new"))
            store.answer()
    assert len(found) == 2
    assert None in found
    assert KEY in found


def test_a_fetch_that_hangs_holds_up_no_other_key(store: FaultyStore, clock: Clock) -> None:
    cache = cache_of(store, clock)
    others = [f"other-{i}" for i in range(300)]
    for name in others:
        store.create(name, entry.encode(KEY))
    store.hang("get key")
    with running(lambda: cache.get("key")):
        wait_for(lambda: store.hanging == 1)
        assert [cache.get(name) for name in others] == [KEY] * 300
        store.answer()
    assert cache.peek("key") == KEY
    assert len(cache._turns) == 0


def test_a_slow_fetch_does_not_bring_back_a_deleted_key(store: FaultyStore, clock: Clock) -> None:
    cache = cache_of(store, clock)
    lifecycle = Lifecycle(cache)
    store.hang("get")
    with running(lambda: cache.get("key")):
        wait_for(lambda: store.hanging == 1)
        with running(lambda: lifecycle.delete("key")):
            wait_for(lambda: cache._turns._turns["key"].users == 2)
            store.answer()
    assert cache.peek("key") is None
    with pytest.raises(KeyNotFound):
        cache.get("key")


def test_after_a_failed_fetch_nobody_waits_for_the_next_one(store: FaultyStore, clock: Clock) -> None:
    cache = cache_of(store, clock, any=10, unused=10, offline=600)
    cache.get("key")
    clock.now += 11
    store.away("get")
    assert cache.get("key") == KEY
    assert store.calls["get"] == 2
    clock.now += RETRY / 2
    assert cache.get("key") == KEY
    assert store.calls["get"] == 2
    clock.now += RETRY
    store.hang("get")
    assert [cache.get("key") for _ in range(5)] == [KEY] * 5  # while one fetch hangs in the background
    wait_for(lambda: store.hanging == 1)
    assert store.calls["get"] == 3
    store.answer()


def test_the_fetch_in_the_background_brings_the_key_as_it_is_now(store: FaultyStore, clock: Clock) -> None:
    cache = cache_of(store, clock, any=10, unused=10, offline=600)
    cache.get("key")
    clock.now += 11
    store.away("get")
    cache.get("key")
    rotated = KEY.rotated(b"1" * 32, 2, "you")
    store.inner.replace("key", entry.encode(KEY), entry.encode(rotated))
    store.answer()
    clock.now += RETRY
    assert cache.get("key") == KEY
    wait_for(lambda: cache.peek("key") == rotated)


def test_a_known_deletion_ends_serving_at_once(store: FaultyStore, clock: Clock) -> None:
    cache = cache_of(store, clock, any=10, unused=10, offline=600)
    cache.get("key")
    Lifecycle(cache).delete("key")
    store.away()
    cache.store_away(True)
    assert cache.peek("key") is None
    with pytest.raises(Unreachable):
        cache.get("key")


def test_a_deletion_found_by_a_fetch_in_the_background_ends_serving(store: FaultyStore, clock: Clock) -> None:
    cache = cache_of(store, clock, any=10, unused=10, offline=600)
    cache.get("key")
    clock.now += 11
    store.away("get")
    cache.get("key")
    store.answer()
    store.delete("key")
    clock.now += RETRY
    cache.get("key")
    wait_for(lambda: cache.size == 0)
    with pytest.raises(KeyNotFound):
        cache.get("key")


def test_while_the_store_is_away_keys_are_served_without_asking(store: FaultyStore, clock: Clock) -> None:
    cache = cache_of(store, clock, any=10, unused=5, offline=60)
    cache.get("key")
    cache.store_away(True)
    clock.now += 70
    assert cache.peek("key") == KEY
    clock.now += 1
    assert cache.peek("key") is None
    assert store.calls["get"] == 1


def test_when_the_store_is_back_the_times_are_the_usual_ones(store: FaultyStore, clock: Clock) -> None:
    cache = cache_of(store, clock, any=10, unused=10, offline=60)
    cache.get("key")
    clock.now += 11
    store.away("get")
    cache.get("key")
    cache.store_away(True)
    assert cache.peek("key") == KEY
    store.answer()
    cache.store_away(False)
    assert cache.peek("key") is None
    cache.get("key")
    assert store.calls["get"] == 3  # the caller waited: what failed before counts no more


def test_new_times_hold_for_keys_in_memory(store: FaultyStore, clock: Clock) -> None:
    cache = cache_of(store, clock, any=100, unused=100)
    cache.get("key")
    clock.now += 20
    cache.expiry = Expiry(any=10, unused=10, offline=60)
    assert cache.peek("key") is None
    cache.store_away(True)
    assert cache.peek("key") == KEY


def test_newer_says_when_nobody_can_tell(store: FaultyStore, clock: Clock) -> None:
    cache = cache_of(store, clock, offline=60)
    key = cache.get("key")
    clock.now += 1
    store.away()
    with pytest.raises(Unreachable):
        cache.newer("key", key)


def test_newer_does_not_take_what_was_read_before_it_was_asked(store: FaultyStore, clock: Clock) -> None:
    cache = cache_of(store, clock, any=1, unused=1)
    key = cache.get("key")
    clock.now += 2
    store.hang("get")
    rotated = KEY.rotated(b"1" * 32, 2, "you")
    found: list[Key | None] = []
    with running(lambda: cache.get("key")):
        wait_for(lambda: store.hanging == 1)
        clock.now += 2
        with running(lambda: found.append(cache.newer("key", key))):
            wait_for(lambda: all_wait(cache, 1))
            get = store.inner.get

            def rotate_after(name: str) -> bytes:
                value = get(name)
                store.inner.get = get  # type: ignore[method-assign]
                store.inner.replace(name, value, entry.encode(rotated))
                return value

            store.inner.get = rotate_after  # type: ignore[method-assign]
            store.answer()
    assert found == [rotated]


def test_a_malformed_entry_bricks_nothing_else(store: FaultyStore, clock: Clock) -> None:
    cache = cache_of(store, clock)
    store.create("empty", b"")
    with pytest.raises(entry.MalformedEntry, match="empty"):
        cache.get("empty")
    assert cache.get("key") == KEY


def test_memory_follows_use(store: FaultyStore, clock: Clock) -> None:
    cache = cache_of(store, clock, any=100, unused=30)
    for i in range(100):
        store.create(f"key-{i}", entry.encode(KEY))
        cache.get(f"key-{i}")
    clock.now += 31
    cache.get("key")
    assert list(cache._cached) == ["key"]
