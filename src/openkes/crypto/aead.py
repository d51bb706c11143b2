"""The two envelope algorithms: a fresh data key from (key, iv), then an AEAD under it.

Owns the algorithm table and HChaCha20. Must not know encodings, entries or JSON.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from enum import Enum
from functools import partial

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

KEY_SIZE = 32
IV_SIZE = 16
NONCE_SIZE = 12
TAG_SIZE = 16
RANDOM_SIZE = IV_SIZE + NONCE_SIZE

_4_WORDS, _8_WORDS, _16_WORDS = struct.Struct("<4I"), struct.Struct("<8I"), struct.Struct("<16I")
_SIGMA = _4_WORDS.unpack(b"expand 32-byte k")
_MASK = 0xFFFFFFFF
_ZEROS = bytes(64)


class NotAuthentic(Exception):
    """The one error for every ciphertext that does not open."""


class Algorithm(Enum):
    """Members: name on the wire, type number in entries, older name, the library's AEAD."""

    AES256 = ("AES256", 1, "AES256-GCM_SHA256", AESGCM)
    CHACHA20 = ("ChaCha20", 2, "XCHACHA20-POLY1305", ChaCha20Poly1305)

    def __init__(self, text: str, number: int, alias: str, cipher: type[AESGCM] | type[ChaCha20Poly1305]) -> None:
        self.text = text
        self.number = number
        self.alias = alias
        self.cipher = cipher


BY_NAME = {name: a for a in Algorithm for name in (a.text, a.alias)}
BY_NUMBER = {a.number: a for a in Algorithm}


def hchacha20(key: bytes, iv: bytes) -> bytes:
    """HChaCha20 (draft-irtf-cfrg-xchacha, section 2.2): 32 bytes from a 32-byte key and a 16-byte iv.

    A ChaCha20 keystream block is permutation(state) + state. With (counter, nonce) = iv the permutation is
    HChaCha20's, so subtracting the known words 0-3 and 12-15 of the state leaves its output.
    """
    w = _16_WORDS.unpack(Cipher(ChaCha20(key, iv), mode=None).encryptor().update(_ZEROS))
    (a, b, c, d), (e, f, g, h), m = _SIGMA, _4_WORDS.unpack(iv), _MASK
    head = (w[0] - a) & m, (w[1] - b) & m, (w[2] - c) & m, (w[3] - d) & m
    tail = (w[12] - e) & m, (w[13] - f) & m, (w[14] - g) & m, (w[15] - h) & m
    return _8_WORDS.pack(*head, *tail)


def encrypt(algorithm: Algorithm, data_key: bytes, nonce: bytes, plaintext: bytes, context: bytes) -> bytes:
    """The AEAD itself under a data key: ciphertext, then tag."""
    return algorithm.cipher(data_key).encrypt(nonce, plaintext, context)


def decrypt(algorithm: Algorithm, data_key: bytes, nonce: bytes, sealed: bytes, context: bytes) -> bytes:
    """What `encrypt` was given. NotAuthentic."""
    try:
        return algorithm.cipher(data_key).decrypt(nonce, sealed, context)
    except InvalidTag:
        raise NotAuthentic from None


class Envelope:
    """A key made ready for messages: what would cost a third of each is done once. Thread-safe. It is as secret as the
    key, and should live no longer."""

    __slots__ = ("algorithm", "data_key")

    #: From an iv (16 bytes) to 32 bytes for one message: what is encrypted under the key itself never repeats.
    data_key: Callable[[bytes], bytes]

    def __init__(self, algorithm: Algorithm, key: bytes) -> None:
        self.algorithm = algorithm
        self.data_key = _hmac_sha256(key) if algorithm is Algorithm.AES256 else partial(hchacha20, key)

    def seal(self, plaintext: bytes, context: bytes, random: bytes) -> bytes:
        """AEAD output (as the library gives it: ciphertext, then tag). `random` is iv (16) and nonce (12)."""
        if len(random) != RANDOM_SIZE:
            raise ValueError(f"{RANDOM_SIZE} random bytes are needed, not {len(random)}")
        return encrypt(self.algorithm, self.data_key(random[:IV_SIZE]), random[IV_SIZE:], plaintext, context)

    def open(self, sealed: bytes, context: bytes, iv: bytes, nonce: bytes) -> bytes:
        """The plaintext of what `seal` made. NotAuthentic for anything else, wrong lengths included."""
        if len(iv) != IV_SIZE or len(nonce) != NONCE_SIZE or len(sealed) < TAG_SIZE:
            raise NotAuthentic
        return decrypt(self.algorithm, self.data_key(iv), nonce, sealed, context)


def _hmac_sha256(key: bytes) -> Callable[[bytes], bytes]:
    """The keyed state is made once: copying it costs a third of keying it."""
    keyed = HMAC(key, SHA256())

    def digest(message: bytes) -> bytes:
        one = keyed.copy()
        one.update(message)
        return one.finalize()

    return digest
