"""Looking at every entry: what other servers did shows up, nothing is read twice, others come first."""

from __future__ import annotations

import logging

import pytest

from openkes.crypto import entry
from openkes.crypto.aead import Algorithm
from openkes.crypto.entry import Key
from openkes.keystore import KeyNotFound, Unreachable
from openkes.keystore.cache import KeyCache
from openkes.keystore.lifecycle import Lifecycle
from tests.keystore.faulty import FaultyStore

KEY = Key(Algorithm.AES256, bytes(32), b"h" * 32, 1, "me")
HOUR = 3600.0
NAMES = [f"key-{i}" for i in range(10)]


@pytest.fixture
def store() -> FaultyStore:
    store = FaultyStore()
    for name in NAMES:
        store.create(name, entry.encode(KEY, name))
    store.calls.clear()
    return store


@pytest.fixture
def cache(store: FaultyStore) -> KeyCache:
    return KeyCache(store)


@pytest.fixture
def life(cache: KeyCache) -> Lifecycle:
    return Lifecycle(cache, HOUR)


@pytest.fixture
def other(store: FaultyStore) -> Lifecycle:
    """Another server on the same store."""
    return Lifecycle(KeyCache(store), HOUR)


def test_what_another_server_did_shows_after_a_look(life: Lifecycle, other: Lifecycle) -> None:
    life.scan()
    other.rotate("key-1", b"1" * 32, "you")
    other.delete("key-2")
    life.scan()
    assert life.versions() == {"key-1": 2}
    assert life.pending() == other.pending() != {}


def test_what_another_server_took_back_shows_after_a_look(life: Lifecycle, other: Lifecycle) -> None:
    life.delete("key-2")
    other.undelete("key-2")
    life.scan()
    assert life.pending() == {}


def test_what_another_server_removed_shows_after_a_look(life: Lifecycle, store: FaultyStore) -> None:
    life.rotate("key-1", b"1" * 32, "me")
    life.delete("key-2")
    for name in ("key-1", "key-2"):
        store.inner.delete(name)
    life.scan()
    assert (life.versions(), life.pending()) == ({}, {})


def test_a_key_in_use_shows_without_a_look(life: Lifecycle, other: Lifecycle, cache: KeyCache) -> None:
    other.rotate("key-1", b"1" * 32, "you")
    other.delete("key-2")
    cache.get("key-1")
    with pytest.raises(KeyNotFound):
        cache.get("key-2")
    assert life.versions() == {"key-1": 2}
    assert life.pending() == other.pending() != {}


def test_a_look_brings_keys_in_memory_up_to_date(life: Lifecycle, other: Lifecycle, cache: KeyCache) -> None:
    for name in ("key-1", "key-2"):
        cache.get(name)
    other.rotate("key-1", b"1" * 32, "you")
    other.delete("key-2")
    life.scan()
    served = cache.peek("key-1")
    assert served is not None
    assert served.version == 2
    assert cache.peek("key-2") is None
    assert cache.size == 1  # and takes no others there


def test_a_look_goes_on_where_the_store_went_away(life: Lifecycle, store: FaultyStore) -> None:
    survey = life.survey()
    store.away("get key-5")
    with pytest.raises(Unreachable):
        life.look(survey)
    assert not life.scanned.is_set()
    store.answer()
    scan = life.look(survey)
    assert scan is not None
    assert scan.entries == 10
    assert life.scanned.is_set()
    assert store.calls["get"] == 11  # one of them failed


def test_a_look_goes_on_where_the_list_failed(
    life: Lifecycle, store: FaultyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openkes.keystore.survey.PAGE", 4)
    survey = life.survey()
    assert life.look(survey, lambda _: store.calls["get"] == 4) is None
    store.away("list")
    with pytest.raises(Unreachable):
        life.look(survey)
    store.answer()
    scan = life.look(survey)
    assert scan is not None
    assert (scan.entries, store.calls["get"]) == (10, 10)


def test_a_look_that_is_broken_off_goes_on(life: Lifecycle, store: FaultyStore) -> None:
    survey = life.survey()
    for _ in range(9):
        assert life.look(survey, lambda _: True) is None
    assert life.look(survey, lambda _: True) is None
    scan = life.look(survey)
    assert scan is not None
    assert (scan.entries, store.calls["get"]) == (10, 10)


def test_what_happens_here_during_a_look_is_not_forgotten(life: Lifecycle) -> None:
    life.delete("key-9")
    survey = life.survey()
    life.look(survey, lambda _: True)
    life.undelete("key-9")
    life.delete("key-0")  # was looked at already
    life.create("key-00", KEY)  # was not listed
    life.delete("key-00")
    life.look(survey)
    assert sorted(life.pending()) == ["key-0", "key-00"]


def test_a_malformed_entry_is_logged_once(
    life: Lifecycle, store: FaultyStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.create("bad", b"garbage")
    with caplog.at_level(logging.ERROR):
        assert life.scan().malformed == ("bad",)
        assert life.scan().malformed == ("bad",)
    assert caplog.text.count("stored key bad is malformed") == 1
