"""The envelope algorithms beyond the vectors: HChaCha20's own, and what must never open."""

from __future__ import annotations

import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openkes.crypto.aead import Algorithm, Envelope, NotAuthentic, hchacha20
from openkes.crypto.ciphertext import Cipher

algorithms = st.sampled_from(list(Algorithm))
keys = st.binary(min_size=32, max_size=32)
randoms = st.binary(min_size=28, max_size=28)


def test_hchacha20_of_the_draft() -> None:
    # draft-irtf-cfrg-xchacha-03, section 2.2.1
    key = bytes(range(32))
    iv = bytes.fromhex("000000090000004a0000000031415927")
    expected = "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc"
    assert hchacha20(key, iv).hex() == expected


@given(keys, st.binary(min_size=16, max_size=16))
def test_the_key_of_a_message_is_an_hmac(key: bytes, iv: bytes) -> None:
    envelope = Envelope(Algorithm.AES256, key)
    for _ in range(2):  # the second from the same state
        assert envelope.data_key(iv) == hmac.digest(key, iv, "sha256")


@given(algorithms, keys, st.binary(max_size=100), st.binary(max_size=50), randoms)
def test_what_is_sealed_opens(
    algorithm: Algorithm, key: bytes, plaintext: bytes, context: bytes, random: bytes
) -> None:
    sealed = Cipher(algorithm, key).encrypt(plaintext, context, random)
    assert Cipher(algorithm, key).decrypt(sealed, context) == plaintext


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_no_flipped_bit_opens(algorithm: Algorithm) -> None:
    sealed = Cipher(algorithm, bytes(32)).encrypt(b"plaintext", b"context", bytes(28))
    for bit in range(len(sealed) * 8):
        flipped = bytearray(sealed)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(NotAuthentic):
            Cipher(algorithm, bytes(32)).decrypt(bytes(flipped), b"context")


@settings(max_examples=500)
@given(algorithms, st.one_of(st.binary(max_size=200), st.binary(max_size=200).map(lambda b: b"{" + b),
                             st.binary(max_size=200).map(lambda b: b"\x95" + b)))  # fmt: skip
def test_anything_else_is_the_one_error(algorithm: Algorithm, data: bytes) -> None:
    with pytest.raises(NotAuthentic):
        Cipher(algorithm, bytes(32)).decrypt(data, b"")
