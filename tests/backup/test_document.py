"""What is inside a backup: no part of one, and no changed one, passes for a whole one."""

from __future__ import annotations

import hashlib

import msgspec
import pytest

from openkes.backup.document import Backup, BrokenBackup, decode, encode, make

ENTRIES = {"b": b"CiQKIPWx\n", "a": b'{"bytes":"\xc3\xa9"}', "c": b"  x"}
MADE = make(ENTRIES, "2026-11-23T12:32:20Z", "folder keys on kes-1", "openkes 0.1.0")
DATA = encode(MADE)


def with_end(body: bytes, count: int) -> bytes:
    end = {"end": True, "count": count, "sha256": hashlib.sha256(body).hexdigest()}
    return body + msgspec.json.encode(end) + b"\n"


def passes(data: bytes) -> bool:
    try:
        decode(data)
    except BrokenBackup:
        return False
    return True


def test_entries_come_back_byte_for_byte() -> None:
    assert decode(DATA) == MADE
    assert decode(DATA).entries == ENTRIES


def test_names_are_sorted() -> None:
    assert list(decode(DATA).entries) == ["a", "b", "c"]


def test_an_empty_backup_is_whole() -> None:
    empty = make({}, "2026-11-23T12:32:20Z", "folder keys", "openkes 0.1.0")
    assert decode(encode(empty)) == empty


def test_the_form_is_the_documented_one() -> None:
    lines = DATA.split(b"\n")
    assert msgspec.json.decode(lines[0]) == {
        "openkes_backup": 1,
        "created_at": "2026-11-23T12:32:20Z",
        "source": "folder keys on kes-1",
        "made_by": "openkes 0.1.0",
        "count": 3,
    }
    assert msgspec.json.decode(lines[2]) == {"name": "b", "entry": "CiQKIPWx\n"}
    assert with_end(b"\n".join(lines[:4]) + b"\n", 3) == DATA


def test_no_part_passes_for_the_whole() -> None:
    assert [length for length in range(len(DATA)) if passes(DATA[:length])] == []


def test_no_bit_can_be_flipped_unnoticed() -> None:
    def flipped(bit: int) -> bytes:
        return DATA[: bit // 8] + bytes([DATA[bit // 8] ^ 1 << bit % 8]) + DATA[bit // 8 + 1 :]

    assert [bit for bit in range(len(DATA) * 8) if passes(flipped(bit))] == []


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda lines: [lines[0], *lines[2:]], "holds 2 keys"),
        (lambda lines: [lines[0], lines[1], *lines[1:3]], "a second time"),
        (lambda lines: [*lines[:3], b'{"name":"../x","entry":"y"}'], "cannot be"),
        (lambda lines: [*lines[:3], b'{"name":"x"}'], "its line 4 is no key"),
        (lambda lines: [*lines[:3], b'{"name":"x","entry":"y","more":1}'], "its line 4 is no key"),
        (lambda lines: [lines[0].replace(b'backup":1', b'backup":2'), *lines[1:]], "this version knows"),
    ],
)
def test_a_digest_alone_makes_no_backup(change: object, text: str) -> None:
    lines = change(DATA.split(b"\n")[:4])  # type: ignore[operator]
    with pytest.raises(BrokenBackup, match=text):
        decode(with_end(b"".join(line + b"\n" for line in lines), 3))


def test_entries_do_not_show() -> None:
    assert "CiQK" not in repr(MADE)
    assert isinstance(MADE, Backup)
