"""Sealing: every change of a sealed value is noticed, and a value belongs to one name and one purpose."""

from __future__ import annotations

import hashlib
from base64 import b64encode

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from openkes.crypto.sealing import PREFIX, CannotUnseal, Scrypt, is_sealed, seal, unseal

KEY = bytes(range(32))
NONCE = bytes(range(12))
SEALED = seal(KEY, b"entry", "name", "entry", NONCE)


def opens(sealed: bytes) -> bool:
    try:
        unseal(KEY, sealed, "name", "entry")
    except CannotUnseal:
        return False
    return True


@given(st.binary(max_size=300))
def test_round_trip(value: bytes) -> None:
    assert unseal(KEY, seal(KEY, value, "name", "entry", NONCE), "name", "entry") == value


def test_the_form_is_the_documented_one() -> None:
    # docs/sealing.md, done by hand: what is written today must open in ten years.
    aad = b"openkes-seal:v1:\0entry\0name"
    by_hand = b"openkes-seal:v1:" + b64encode(NONCE + AESGCM(KEY).encrypt(NONCE, b"entry", aad))
    assert by_hand == SEALED


def test_no_bit_can_be_flipped() -> None:
    def flipped(bit: int) -> bytes:
        return SEALED[: bit // 8] + bytes([SEALED[bit // 8] ^ 1 << bit % 8]) + SEALED[bit // 8 + 1 :]

    assert [bit for bit in range(len(SEALED) * 8) if opens(flipped(bit))] == []


def test_no_part_passes_for_the_whole() -> None:
    assert [length for length in range(len(SEALED)) if opens(SEALED[:length])] == []


@pytest.mark.parametrize(
    ("key", "name", "purpose"),
    [(bytes(32), "name", "entry"), (KEY, "other", "entry"), (KEY, "name", "check"), (KEY, "", "entry\0name")],
)
def test_another_key_name_or_purpose(key: bytes, name: str, purpose: str) -> None:
    with pytest.raises(CannotUnseal, match="another"):
        unseal(key, SEALED, name, purpose)


def test_a_newline_that_an_editor_adds_does_no_harm() -> None:
    assert unseal(KEY, SEALED + b"\n", "name", "entry") == b"entry"


def test_a_newer_form_is_named_as_such() -> None:
    newer = b"openkes-seal:v2:" + SEALED.removeprefix(PREFIX)
    assert is_sealed(newer)
    with pytest.raises(CannotUnseal, match="newer"):
        unseal(KEY, newer, "name", "entry")


@pytest.mark.parametrize("plain", [b"", b"CiQKIPWx", b'{"bytes":"openkes-seal:v1:"}'])
def test_plain_values_are_not_sealed(plain: bytes) -> None:
    assert not is_sealed(plain)
    with pytest.raises(CannotUnseal, match="not sealed"):
        unseal(KEY, plain, "name", "entry")


def test_scrypt_is_the_standard_one() -> None:
    salt = b"0123456789abcdef"
    assert Scrypt(salt, 14).key(b"secret") == hashlib.scrypt(b"secret", salt=salt, n=2**14, r=8, p=1, dklen=32)


def test_a_short_salt_is_refused() -> None:
    with pytest.raises(ValueError, match="range"):
        Scrypt(b"short", 14).key(b"secret")


@pytest.mark.parametrize("parameters", [{"log2_n": 9}, {"log2_n": 40}, {"r": 0}, {"r": 4096}, {"p": 10**6}])
def test_scrypt_with_absurd_costs_is_refused(parameters: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="range"):
        Scrypt(bytes(16), **parameters).key(b"secret")
