"""Stored entries: nothing lost, every fault detected, and upstream still reads the newest version.

`upstream_reads` is an independent reader of upstream's four fields that skips what it does not know, as Go does.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openkes.crypto import entry
from openkes.crypto.aead import Algorithm
from openkes.crypto.entry import Key, MalformedEntry, Version

RECORDED = json.loads((Path(__file__).parent.parent / "vectors" / "kes.json").read_text())["entries"]
PLAIN = Key(Algorithm.AES256, bytes(range(32)), bytes(range(32, 64)), 1_700_000_000_123_456_789, "c" * 64)
ROTATED = PLAIN.rotated(b"\1" * 32, 1_800_000_000_000_000_000, "d" * 64).rotated(b"\2" * 32, 3, "e" * 64)
PENDING = ROTATED.deleted(1_800_000_000_000_000_001, 1_900_000_000_000_000_000)
CASES = {"plain": PLAIN, "rotated": ROTATED, "pending": PENDING}

raws = st.binary(min_size=32, max_size=32)
times = st.one_of(st.none(), st.integers(0, 2**62))
algorithms = st.sampled_from(list(Algorithm))
versions = st.builds(Version, st.integers(1, 1000), algorithms, raws, times, st.text(max_size=64))
keys = st.builds(
    Key, algorithms, raws, st.one_of(st.none(), raws), times, st.text(max_size=64), st.integers(1, 1000),
    st.lists(versions, max_size=3).map(tuple), times, times,
)  # fmt: skip


@given(keys, st.text(max_size=80))
def test_every_key_comes_back(key: Key, name: str) -> None:
    decoded = entry.decode(entry.encode(key, name) + b"\n", name)
    assert decoded == key
    assert decoded.tagged


@given(keys)
def test_without_a_tag_too(key: Key) -> None:
    decoded = entry.decode(entry.encode(key, tagged=False))
    assert decoded == key
    assert not decoded.tagged


@pytest.mark.parametrize("case", CASES)
def test_every_prefix_is_detected(case: str) -> None:
    whole = entry.encode(CASES[case], "my-key")
    for length in range(len(whole)):
        with pytest.raises(MalformedEntry):
            entry.decode(whole[:length], "my-key")


@pytest.mark.parametrize("case", CASES)
def test_every_flipped_bit_is_detected(case: str) -> None:
    whole = entry.encode(CASES[case], "my-key")
    for bit in range(len(whole) * 8):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(MalformedEntry):
            entry.decode(bytes(flipped), "my-key")


@pytest.mark.parametrize("case", CASES)
def test_every_flipped_bit_of_the_message_is_detected(case: str) -> None:
    whole = b64decode(entry.encode(CASES[case], "my-key"))
    for bit in range(len(whole) * 8):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(MalformedEntry):
            entry.decode(b64encode(bytes(flipped)), "my-key")


def test_an_entry_under_another_name_is_detected() -> None:
    with pytest.raises(MalformedEntry, match="stored under the name my-key"):
        entry.decode(entry.encode(PLAIN, "my-key"), "your-key")


def test_an_entry_of_upstream_has_no_name_and_is_accepted() -> None:
    assert entry.decode(RECORDED[0]["entry"].encode(), "any-name").tagged is False


@settings(max_examples=500)
@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda t: ("{" + t).encode())))
def test_no_other_error(data: bytes) -> None:
    try:
        entry.decode(data)
    except MalformedEntry as error:
        assert str(error)


def upstream_reads(text: bytes) -> dict[int, bytes]:
    """Upstream's fields of an entry: number to bytes. The last one counts, unknown ones are skipped."""
    data, at, found = b64decode(text), 0, {}

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        number, wire = divmod(varint(), 8)
        if wire == 0:
            varint()
            continue
        assert wire == 2, "upstream's reader knows more, this project writes no more"
        length = varint()
        found[number] = data[at : at + length]
        at += length
    return {number: value for number, value in found.items() if number <= 4}


@pytest.mark.parametrize("case", CASES)
def test_upstream_reads_the_newest_version(case: str) -> None:
    key = CASES[case]
    newest = Key(key.algorithm, key.key, key.hmac_key, key.created_at, key.created_by)
    assert upstream_reads(entry.encode(key, "my-key")) == upstream_reads(entry.encode(newest, tagged=False))


@pytest.mark.parametrize("row", RECORDED, ids=lambda row: row["name"])
def test_a_recorded_entry_written_again_reads_the_same_there(row: dict[str, str]) -> None:
    recorded = row["entry"].strip().encode()
    assert upstream_reads(entry.encode(entry.decode(recorded), row["name"])) == upstream_reads(recorded)


def test_a_key_shows_no_bytes_in_its_repr() -> None:
    key = Key(Algorithm.AES256, b"s" * 32, b"h" * 32, 1, "me").rotated(b"t" * 32, 2, "me")
    assert not any(secret in repr(key) for secret in ("sss", "hhh", "ttt"))
