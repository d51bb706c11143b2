"""What is inside a backup: lines of JSON, versioned, with an end by which a cut one is known.

The first line is the header, then one line per key with its entry as it was stored (unsealed), then the end with the
SHA-256 of all lines before it. Must not know encryption or files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

import msgspec

from openkes import names

_T = TypeVar("_T")


class BrokenBackup(Exception):
    """The text says what is wrong with the content."""


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`created_at` is RFC 3339; `source` says which store on which host; `made_by` the program and its version."""

    openkes_backup: Literal[1]
    created_at: str
    source: str
    made_by: str
    count: int


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    entry: str


class _End(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    end: Literal[True]
    count: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Backup:
    """`entries`: names to stored entries, which are text."""

    header: Header
    entries: Mapping[str, bytes] = field(repr=False)


def make(entries: Mapping[str, bytes], created_at: str, source: str, made_by: str) -> Backup:
    return Backup(Header(1, created_at, source, made_by, len(entries)), dict(sorted(entries.items())))


def encode(backup: Backup) -> bytes:
    """UnicodeDecodeError for an entry that is no text, which no valid one is."""
    lines = [msgspec.json.encode(backup.header)]
    lines += [msgspec.json.encode(_Entry(name, value.decode())) for name, value in backup.entries.items()]
    body = b"".join(line + b"\n" for line in lines)
    end = _End(True, len(backup.entries), hashlib.sha256(body).hexdigest())
    return body + msgspec.json.encode(end) + b"\n"


def decode(data: bytes) -> Backup:
    """BrokenBackup unless it is whole: count, digest, names and form."""
    header = _line(data.partition(b"\n")[0], Header, "its first line is no header of a backup that this version knows")
    if not data.endswith(b"\n"):
        raise BrokenBackup("it is cut off: its last line does not end")
    body, _, last = data[:-1].rpartition(b"\n")
    end = _line(last, _End, "it is cut off: its last line is no end")
    if hashlib.sha256(body + b"\n").hexdigest() != end.sha256:
        raise BrokenBackup("its content does not have the digest that its end names")
    entries = dict(_entries(body.split(b"\n")[1:]))
    if not len(entries) == header.count == end.count:
        raise BrokenBackup(f"it holds {len(entries)} keys; its header names {header.count}, its end {end.count}")
    return Backup(header, entries)


def _entries(lines: list[bytes]) -> Iterator[tuple[str, bytes]]:
    seen = set()
    for number, line in enumerate(lines, 2):
        found = _line(line, _Entry, f"its line {number} is no key")
        if not names.is_valid(found.name) or found.name in seen:
            raise BrokenBackup(f"its line {number} names a key that cannot be, or a second time")
        seen.add(found.name)
        yield found.name, found.entry.encode()


def _line(line: bytes, kind: type[_T], fault: str) -> _T:
    try:
        return msgspec.json.decode(line, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BrokenBackup(fault) from None
