"""The two envelope algorithms: a fresh data key from (key, iv), then an AEAD under it.

Owns the algorithm table and HChaCha20. Must not know encodings, entries or JSON.
"""

from __future__ import annotations

import hmac
import struct
from enum import Enum

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20

KEY_SIZE = 32
IV_SIZE = 16
NONCE_SIZE = 12
TAG_SIZE = 16
RANDOM_SIZE = IV_SIZE + NONCE_SIZE

_SIGMA = struct.unpack("<4I", b"expand 32-byte k")
_MASK = 0xFFFFFFFF


class NotAuthentic(Exception):
    """The one error for every ciphertext that does not open."""


class Algorithm(Enum):
    """Members: name on the wire, type number in entries, older name."""

    AES256 = ("AES256", 1, "AES256-GCM_SHA256")
    CHACHA20 = ("ChaCha20", 2, "XCHACHA20-POLY1305")

    def __init__(self, text: str, number: int, alias: str) -> None:
        self.text = text
        self.number = number
        self.alias = alias


BY_NAME = {name: a for a in Algorithm for name in (a.text, a.alias)}
BY_NUMBER = {a.number: a for a in Algorithm}


def hchacha20(key: bytes, iv: bytes) -> bytes:
    """HChaCha20 (draft-irtf-cfrg-xchacha, section 2.2): 32 bytes from a 32-byte key and a 16-byte iv.

    A ChaCha20 keystream block is permutation(state) + state. With (counter, nonce) = iv the permutation is
    HChaCha20's, so subtracting the known words 0-3 and 12-15 of the state leaves its output.
    """
    block = Cipher(ChaCha20(key, iv), mode=None).encryptor().update(bytes(64))
    words = struct.unpack("<16I", block)
    head = ((words[i] - _SIGMA[i]) & _MASK for i in range(4))
    tail = ((word - start) & _MASK for word, start in zip(words[12:], struct.unpack("<4I", iv), strict=True))
    return struct.pack("<8I", *head, *tail)


_CIPHERS: dict[Algorithm, type[AESGCM] | type[ChaCha20Poly1305]] = {
    Algorithm.AES256: AESGCM,
    Algorithm.CHACHA20: ChaCha20Poly1305,
}


def data_key(algorithm: Algorithm, key: bytes, iv: bytes) -> bytes:
    """32 bytes for one message: what is encrypted under `key` itself never repeats."""
    return hmac.digest(key, iv, "sha256") if algorithm is Algorithm.AES256 else hchacha20(key, iv)


def encrypt(algorithm: Algorithm, data_key: bytes, nonce: bytes, plaintext: bytes, context: bytes) -> bytes:
    """The AEAD itself under a data key: ciphertext, then tag."""
    return _CIPHERS[algorithm](data_key).encrypt(nonce, plaintext, context)


def decrypt(algorithm: Algorithm, data_key: bytes, nonce: bytes, sealed: bytes, context: bytes) -> bytes:
    """What `encrypt` was given. NotAuthentic."""
    try:
        return _CIPHERS[algorithm](data_key).decrypt(nonce, sealed, context)
    except InvalidTag:
        raise NotAuthentic from None


def seal(algorithm: Algorithm, key: bytes, plaintext: bytes, context: bytes, random: bytes) -> bytes:
    """AEAD output (as the library gives it: ciphertext, then tag). `random` is iv (16) and nonce (12)."""
    if len(random) != RANDOM_SIZE:
        raise ValueError(f"{RANDOM_SIZE} random bytes are needed, not {len(random)}")
    return encrypt(algorithm, data_key(algorithm, key, random[:IV_SIZE]), random[IV_SIZE:], plaintext, context)


def open_(algorithm: Algorithm, key: bytes, sealed: bytes, context: bytes, iv: bytes, nonce: bytes) -> bytes:
    """The plaintext of what `seal` made. NotAuthentic for anything else, wrong lengths included."""
    if len(iv) != IV_SIZE or len(nonce) != NONCE_SIZE or len(sealed) < TAG_SIZE:
        raise NotAuthentic
    return decrypt(algorithm, data_key(algorithm, key, iv), nonce, sealed, context)
