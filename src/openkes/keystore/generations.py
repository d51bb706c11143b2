"""Compare-and-set for a store that can only create an object once: every change of a key is one more object.

Owns which objects a key consists of, and the order in which they come and go. Must not know a vendor, nor what an
entry is. Why the order is safe: docs/adr/0007-generations.md.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from openkes import names
from openkes.keystore import KeyExists, KeyNotFound, Page, Status, Unreachable
from openkes.keystore.http import MaybeDone
from openkes.keystore.paging import page_of

_log = logging.getLogger(__name__)
SECONDS = 9.0  # for one call of the interface, which is several requests; with a login in between it ends within 15
INFIX = ".openkes."  # no key name has a dot
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Object:
    """`id` is the vendor's own and never used again, so that removing by it never meets another object."""

    name: str
    id: str
    value: bytes = field(repr=False)


class Objects(Protocol):
    """What a vendor's API must be able to do. Thread-safe; `until` is a time of the monotonic clock."""

    def create_once(self, name: str, value: bytes, until: float) -> None:
        """Atomic, durable on return. KeyExists, Unreachable (MaybeDone)."""

    def read(self, name: str, until: float) -> Object:
        """KeyNotFound, Unreachable."""

    def remove(self, which: Object, until: float) -> None:
        """Exactly this object. KeyNotFound, Unreachable (MaybeDone)."""

    def names(self, prefix: str, until: float) -> Iterable[str]:
        """All names with `prefix`, in any order. Unreachable."""

    def check(self, until: float) -> None:
        """One cheap request, with the login that `read` needs. Unreachable."""

    def close(self) -> None:
        """Calls after it raise Unreachable."""


@dataclass(frozen=True, slots=True)
class _Tip:
    """The newest generation so far. `digest` is over all values up to it, and part of the next one's name."""

    number: int
    digest: str
    value: bytes = field(repr=False)

    @classmethod
    def of(cls, value: bytes) -> _Tip:
        return cls(0, _digest("", value), value)

    def then(self, value: bytes) -> _Tip:
        return _Tip(self.number + 1, _digest(self.digest, value), value)

    def next_name(self, name: str) -> str:
        return f"{name}{INFIX}{self.number + 1}.{self.digest}"


def _digest(before: str, value: bytes) -> str:
    # 64 bits tell the lives of one name apart; of a value with 256 random bits they give nothing away.
    return hashlib.sha256(before.encode() + b"\0" + value).hexdigest()[:16]


class GenerationStore:
    """Implements `KeyStore`. A key exists while the object NAME does, its generation 0 and all that upstream knows.
    The n-th change is the object `NAME.openkes.n.DIGEST`, with a digest over all values before it; the newest of an
    unbroken row is the key's value.

    - A change creates the next name of the row: one of many wins, and only who knew the newest value knows the name.
    - Nothing of a living key is ever removed, so the row has no gaps, and nobody can take an older value for the
      newest. A delete removes NAME first: from then on there is no key. Only then it removes the row, the newest
      first, by the vendor's ids.
    - A reader looks at NAME once more at the end: if it is still the same object, no delete had begun.
    - What a crash leaves of a row belongs to no key, as its digests fit no other first value; before the very same
      entry is created again (as a restore does) it is removed.
    """

    def __init__(self, objects: Objects, seconds: float = SECONDS) -> None:
        self._objects = objects
        self._seconds = seconds
        #: Of keys that have changed: digest of the first value, and the newest generation seen but its value. Spares
        #: reading the whole row each time.
        self._seen: dict[str, tuple[str, _Tip, str]] = {}
        self._reported: set[str] = set()

    def create(self, name: str, value: bytes) -> None:
        until = self._begin(name)
        left = list(self._row(name, value, until))
        if left:
            self._sweep(Object(name, "", b""), left, until)
        self._create_once(name, value, until)

    def _create_once(self, name: str, value: bytes, until: float) -> None:
        try:
            self._objects.create_once(name, value, until)
        except MaybeDone as error:
            try:
                found = self._objects.read(name, until)
            except KeyNotFound:
                raise error from None  # it may still arrive: nobody knows
            if found.value != value:
                raise KeyExists(name) from None

    def get(self, name: str) -> bytes:
        return self._current(name, self._begin(name))[1].value

    def _current(self, name: str, until: float) -> tuple[Object, _Tip]:
        for _ in range(_ATTEMPTS):
            first = self._objects.read(name, until)
            tip = self._tip(name, first.value, until)
            if self._objects.read(name, until).id == first.id:
                return first, tip
        raise Unreachable(f"key {name} is deleted and created anew again and again: try again when that has ended")

    def _tip(self, name: str, value: bytes, until: float) -> _Tip:
        tip = start = _Tip.of(value)
        digest, seen, seen_name = self._seen.get(name, ("", tip, ""))
        if digest == start.digest:
            with contextlib.suppress(KeyNotFound):
                tip = seen.then(self._objects.read(seen_name, until).value)
        while True:
            try:
                found = self._objects.read(tip.next_name(name), until)
            except KeyNotFound:
                return tip
            self._seen[name] = (start.digest, _Tip(tip.number, tip.digest, b""), found.name)
            tip = tip.then(found.value)

    def _row(self, name: str, value: bytes, until: float) -> Iterator[Object]:
        """The generations after the first value, whether there is a key or not."""
        tip = _Tip.of(value)
        while True:
            try:
                found = self._objects.read(tip.next_name(name), until)
            except KeyNotFound:
                return
            yield found
            tip = tip.then(found.value)

    def replace(self, name: str, old: bytes, new: bytes) -> None:
        until = self._begin(name)
        first, tip = self._current(name, until)
        if tip.value != old:
            raise KeyExists(name)
        made = tip.next_name(name)
        self._create_once(made, new, until)
        with contextlib.suppress(Unreachable):  # it is done, whatever comes now
            if self._is_gone(first, until):
                # Who deleted the key may have looked for the row too early.
                try:
                    self._sweep(first, [self._objects.read(made, until)], until)
                except KeyExists:
                    return  # the very same entry is back, and goes on with what was made
                raise KeyNotFound(name)

    def _is_gone(self, first: Object, until: float) -> bool:
        try:
            return self._objects.read(first.name, until).id != first.id
        except KeyNotFound:
            return True

    def delete(self, name: str) -> None:
        until = self._begin(name)
        try:
            first = self._objects.read(name, until)
        except KeyNotFound:
            self._clear(name, until)
            raise
        try:
            self._objects.remove(first, until)
        except MaybeDone:
            if not self._is_gone(first, until):
                raise
        try:
            with contextlib.suppress(KeyExists):
                self._sweep(first, list(self._row(name, first.value, until)), until)
        except Unreachable as error:
            raise Unreachable(
                f"key {name} is deleted, but objects named {name}{INFIX}* may be left over: {error}; "
                "nobody reads them, remove them by hand"
            ) from error
        self._seen.pop(name, None)

    def _clear(self, name: str, until: float) -> None:
        """What a delete that was cut short has left."""
        left = []
        for found in sorted(self._objects.names(name + INFIX, until), key=_number):
            with contextlib.suppress(KeyNotFound):
                left.append(self._objects.read(found, until))
        if left:
            with contextlib.suppress(KeyExists):
                self._sweep(Object(name, "", b""), left, until)

    def _sweep(self, first: Object, left: list[Object], until: float) -> None:
        """Remove what was read of the row of `first`, which was removed. KeyExists if the row may belong to a key
        again: one with the same first value (any value, if that of `first` is not known)."""
        with contextlib.suppress(KeyNotFound):
            found = self._objects.read(first.name, until)
            if found.value == first.value or not first.value:
                raise KeyExists(first.name)
        for generation in reversed(left):  # the newest first: what a crash leaves can still be walked along
            with contextlib.suppress(KeyNotFound):
                self._objects.remove(generation, until)

    def list(self, prefix: str, limit: int, start: str = "") -> Page:
        until = self._until()
        found = list(self._objects.names(prefix, until))
        keys = [name for name in found if names.is_valid(name)]
        self._report({name.partition(INFIX)[0] for name in found if INFIX in name}.difference(keys), until)
        return page_of(keys, prefix, limit, start)

    def _report(self, gone: set[str], until: float) -> None:
        """Name what is left over, once. It is not removed here: that a key is not found may be a matter of
        permissions, too."""
        for name in sorted(gone - self._reported):
            with contextlib.suppress(KeyNotFound):
                self._objects.read(name, until)
                continue
            self._reported.add(name)
            _log.warning("objects named %s%s* are left over from a deleted key, and read by nobody", name, INFIX)

    def status(self) -> Status:
        begin = time.perf_counter()
        self._objects.check(self._until())
        return Status(time.perf_counter() - begin)

    def close(self) -> None:
        self._objects.close()

    def _begin(self, name: str) -> float:
        if not names.is_valid(name):
            raise KeyNotFound(name)
        return self._until()

    def _until(self) -> float:
        return time.monotonic() + self._seconds


def _number(name: str) -> int:
    number = name.partition(INFIX)[2].partition(".")[0]
    return int(number) if number.isascii() and number.isdigit() else 0
