"""Copying a key, with stores that fail at each step: nothing is lost, nothing is called copied that is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from openkes.crypto import entry
from openkes.crypto.aead import Algorithm
from openkes.crypto.entry import Key
from openkes.keystore import KeyExists, KeyNotFound, Unreachable
from openkes.keystore.memory import MemoryStore
from openkes.keystore.migration import Clash, Result, matching, migrate_key


def made(name: str, byte: int) -> bytes:
    return entry.encode(Key(Algorithm.AES256, bytes([byte]) * 32, bytes([byte + 1]) * 32, 1, "me"), name)


ENTRY, OTHER = made("k", 1), made("k", 2)


class Faulty(MemoryStore):
    """A memory store of which one call does something else."""

    def __init__(self, call: str = "", behaviour: Callable[..., Any] | None = None) -> None:
        super().__init__()
        self.call = call
        self.behaviour = behaviour
        self.log: list[str] = []

    def __getattribute__(self, name: str) -> Any:
        if name in ("create", "get", "replace", "delete"):
            self.log.append(name)
            if name == self.call:
                assert self.behaviour is not None
                return self.behaviour
        return super().__getattribute__(name)


def unreachable(*_: object) -> None:
    raise Unreachable("the store is away")


def content(store: MemoryStore, name: str = "k") -> bytes | None:
    try:
        return MemoryStore.get(store, name)
    except KeyNotFound:
        return None


@pytest.fixture
def source() -> MemoryStore:
    store = MemoryStore()
    store.create("k", ENTRY)
    return store


@pytest.fixture
def saved() -> MemoryStore:
    return MemoryStore()


def holding(value: bytes, call: str = "", behaviour: Callable[..., Any] | None = None) -> Faulty:
    store = Faulty(call, behaviour)
    MemoryStore.create(store, "k", value)
    return store


@pytest.mark.parametrize("clash", list(Clash))
def test_a_new_key_is_copied_byte_for_byte(source: MemoryStore, saved: MemoryStore, clash: Clash) -> None:
    target = Faulty()
    assert migrate_key(source, target, "k", clash, saved).result is Result.COPIED
    assert content(target) == ENTRY
    assert target.log == ["get", "create", "get"]  # looked, wrote, read back


@pytest.mark.parametrize("clash", list(Clash))
def test_the_same_key_is_left_alone(source: MemoryStore, saved: MemoryStore, clash: Clash) -> None:
    target = holding(ENTRY)
    assert migrate_key(source, target, "k", clash, saved).result is Result.SAME
    assert target.log == ["get"]


@pytest.mark.parametrize(("clash", "result"), [(Clash.FAIL, Result.FAILED), (Clash.KEEP, Result.KEPT)])
def test_another_key_is_never_touched_untold(
    source: MemoryStore, saved: MemoryStore, clash: Clash, result: Result
) -> None:
    target = holding(OTHER)
    assert migrate_key(source, target, "k", clash, saved).result is result
    assert content(target) == OTHER
    assert target.log == ["get"]


def test_a_replaced_key_is_saved_first(source: MemoryStore, saved: MemoryStore) -> None:
    def replace(name: str, old: bytes, new: bytes) -> None:
        assert content(saved) == OTHER
        MemoryStore.replace(target, name, old, new)

    target = holding(OTHER, "replace", replace)
    assert migrate_key(source, target, "k", Clash.REPLACE, saved).result is Result.REPLACED
    assert content(target) == ENTRY


@pytest.mark.parametrize("call", ["create", "get"])
def test_what_cannot_be_saved_is_not_replaced(source: MemoryStore, call: str) -> None:
    target = holding(OTHER)
    moved = migrate_key(source, target, "k", Clash.REPLACE, Faulty(call, unreachable))
    assert moved.result is Result.FAILED
    assert "the store is away" in moved.detail
    assert content(target) == OTHER


def test_what_was_saved_damaged_is_not_replaced(source: MemoryStore) -> None:
    target = holding(OTHER)
    assert migrate_key(source, target, "k", Clash.REPLACE, Faulty("get", lambda _: b"")).result is Result.FAILED
    assert content(target) == OTHER


def test_a_second_replacement_does_not_overwrite_what_was_saved(source: MemoryStore, saved: MemoryStore) -> None:
    saved.create("k", made("k", 3))
    target = holding(OTHER)
    assert migrate_key(source, target, "k", Clash.REPLACE, saved).result is Result.FAILED
    assert content(target) == OTHER


def test_whoever_changes_the_key_meanwhile_wins(source: MemoryStore, saved: MemoryStore) -> None:
    def replace(*_: object) -> None:
        raise KeyExists("k")

    target = holding(OTHER, "replace", replace)
    moved = migrate_key(source, target, "k", Clash.REPLACE, saved)
    assert (moved.result, content(target)) == (Result.FAILED, OTHER)
    assert "meanwhile" in moved.detail


def test_whoever_creates_the_key_meanwhile_wins(source: MemoryStore, saved: MemoryStore) -> None:
    def create(*_: object) -> None:
        raise KeyExists("k")

    moved = migrate_key(source, Faulty("create", create), "k", Clash.REPLACE, saved)
    assert moved.result is Result.FAILED
    assert "meanwhile" in moved.detail


def test_a_write_that_does_not_stay_is_not_called_copied(source: MemoryStore, saved: MemoryStore) -> None:
    target = Faulty("create", lambda *_: None)
    moved = migrate_key(source, target, "k", Clash.FAIL, saved)
    assert moved.result is Result.FAILED
    assert "could not be read back" in moved.detail


@pytest.mark.parametrize("call", ["get", "create"])
def test_an_unreachable_target_is_that_keys_failure(source: MemoryStore, saved: MemoryStore, call: str) -> None:
    moved = migrate_key(source, Faulty(call, unreachable), "k", Clash.FAIL, saved)
    assert (moved.result, moved.detail) == (Result.FAILED, "the store is away")


@pytest.mark.parametrize("value", [b"", b"junk", ENTRY[:-8], made("other", 1)])
def test_what_is_no_entry_of_this_name_is_not_copied(saved: MemoryStore, value: bytes) -> None:
    source, target = holding(value), Faulty()
    moved = migrate_key(source, target, "k", Clash.REPLACE, saved)
    assert moved.result is Result.FAILED
    assert "malformed" in moved.detail
    assert content(target) is None


def test_a_key_deleted_meanwhile_is_a_failure(saved: MemoryStore) -> None:
    moved = migrate_key(MemoryStore(), MemoryStore(), "k", Clash.FAIL, saved)
    assert (moved.result, moved.detail) == (Result.FAILED, "it was deleted meanwhile")


@pytest.mark.parametrize(("clash", "result"), [(Clash.REPLACE, Result.REPLACED), (Clash.KEEP, Result.KEPT)])
def test_a_dry_run_writes_nothing(source: MemoryStore, clash: Clash, result: Result) -> None:
    target = holding(OTHER)
    assert migrate_key(source, target, "k", clash, None).result is result
    assert target.log == ["get"]
    empty = Faulty()
    assert migrate_key(source, empty, "k", clash, None).result is Result.COPIED
    assert empty.log == ["get"]


def test_patterns_over_several_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openkes.keystore.migration.PAGE", 7)
    store = MemoryStore()
    names = [f"a-{n:02}" for n in range(20)] + ["a", "b"]
    for name in names:
        store.create(name, b"x")
    assert matching(store, "*") == sorted(names)
    assert matching(store, "a-*") == sorted(names[:20])
    assert matching(store, "a") == ["a"]
    assert matching(store, "c*") == []
