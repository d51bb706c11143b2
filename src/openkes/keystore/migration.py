"""One key from one store to another: copied byte for byte, read back, never overwritten unless told so.

What is copied must be an entry, under its own name: a damaged one stays where it is, and is said. Must not know
configuration files, nor how results are shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Protocol

from openkes.crypto import entry
from openkes.crypto.entry import MalformedEntry
from openkes.keystore import KeyExists, KeyNotFound, KeyStore, Unreachable

PAGE = 1_000  # names asked for at a time


class Clash(Enum):
    """What to do where the target has the name already, with another content."""

    FAIL = "fail"
    KEEP = "keep"
    REPLACE = "replace"


class Result(StrEnum):
    """What became of one key."""

    COPIED = "copied"
    SAME = "same"
    KEPT = "kept"
    REPLACED = "replaced"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Moved:
    """`detail`: why, where that is not plain."""

    name: str
    result: Result
    detail: str = ""


class Saved(Protocol):
    """Where an entry goes before it is replaced."""

    def create(self, name: str, value: bytes) -> None:
        """KeyExists, Unreachable."""

    def get(self, name: str) -> bytes:
        """KeyNotFound, Unreachable."""


def matching(store: KeyStore, pattern: str) -> list[str]:
    """The names that `pattern` means, a name or a beginning with `*`; sorted. Unreachable."""
    prefix = pattern.removesuffix("*")
    found: list[str] = []
    start = ""
    while True:
        page = store.list(prefix, PAGE, start)
        found += page.names
        start = page.continue_at
        if not start:
            return found if pattern.endswith("*") else [name for name in found if name == pattern]


class _Failed(Exception):
    """The text says why."""


def migrate_key(source: KeyStore, target: KeyStore, name: str, clash: Clash, saved: Saved | None) -> Moved:
    """Copy `name`. `saved` None: only say what would be done. Never raises one of the three errors of a store."""
    try:
        return _migrate(source, target, name, clash, saved)
    except _Failed as error:
        return Moved(name, Result.FAILED, str(error))
    except KeyNotFound:
        return Moved(name, Result.FAILED, "it was deleted meanwhile")
    except MalformedEntry as error:
        return Moved(name, Result.FAILED, f"one of the stores cannot read its entry: {error}")
    except Unreachable as error:
        return Moved(name, Result.FAILED, str(error))


def _migrate(source: KeyStore, target: KeyStore, name: str, clash: Clash, saved: Saved | None) -> Moved:
    value = source.get(name)
    try:
        entry.decode(value, name)
    except MalformedEntry as error:
        raise _Failed(f"the old store's entry is malformed: {error}; restore it from a backup") from None
    try:
        there = target.get(name)
    except KeyNotFound:
        return _create(target, name, value, dry_run=saved is None)
    if there == value:
        return Moved(name, Result.SAME)
    if clash is Clash.KEEP:
        return Moved(name, Result.KEPT, "the new store has another key of this name")
    if clash is Clash.FAIL:
        raise _Failed("the new store has another key of this name; --merge keeps it, -f replaces it")
    if saved is not None:
        _save(saved, name, there)
        try:
            target.replace(name, there, value)
        except KeyExists:
            raise _Failed("somebody else changed it in the new store meanwhile") from None
        _verify(target, name, value)
    return Moved(name, Result.REPLACED)


def _create(target: KeyStore, name: str, value: bytes, *, dry_run: bool) -> Moved:
    if not dry_run:
        try:
            target.create(name, value)
        except KeyExists:
            raise _Failed("somebody else created it in the new store meanwhile") from None
        _verify(target, name, value)
    return Moved(name, Result.COPIED)


def _verify(store: Saved, name: str, value: bytes) -> None:
    try:
        same = store.get(name) == value
    except KeyNotFound:
        same = False
    if not same:
        raise _Failed("what was written could not be read back: do not rely on the new store")


def _save(saved: Saved, name: str, value: bytes) -> None:
    try:
        saved.create(name, value)
    except KeyExists:
        raise _Failed("the folder of replaced keys has one of this name already; name a new folder") from None
    except Unreachable as error:
        raise _Failed(f"the key to be replaced could not be saved: {error}") from None
    _verify(saved, name, value)
