"""Ciphertext bytes: today's binary form and the two older encodings.

Owns the parsing. Must not know entries, names or HTTP. Every failure is `NotAuthentic`.

Once in 128 a binary ciphertext starts, by chance, with the first byte of an older encoding: what does not
parse whole as one is binary.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from openkes.crypto.aead import (
    IV_SIZE,
    NONCE_SIZE,
    RANDOM_SIZE,
    Algorithm,
    Envelope,
)

_JSON_AEAD = {"AES-256-GCM-HMAC-SHA-256": Algorithm.AES256, "ChaCha20Poly1305": Algorithm.CHACHA20}
_MSGPACK_AEAD = {a.alias: a for a in Algorithm}


class Parts(NamedTuple):
    """Of an older encoding."""

    algorithm: Algorithm
    sealed: bytes
    iv: bytes
    nonce: bytes


class _JSONForm(msgspec.Struct):
    aead: str
    iv: bytes
    nonce: bytes
    sealed: bytes = msgspec.field(name="bytes")
    id: str = ""


_json_form = msgspec.json.Decoder(_JSONForm)
_msgpack_form = msgspec.msgpack.Decoder(tuple[str, str, bytes, bytes, bytes])


def _from_json(data: bytes) -> Parts | None:
    try:
        form = _json_form.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    algorithm = _JSON_AEAD.get(form.aead)
    return None if algorithm is None else Parts(algorithm, form.sealed, form.iv, form.nonce)


def _from_msgpack(data: bytes) -> Parts | None:
    try:
        aead, _, iv, nonce, sealed = _msgpack_form.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    algorithm = _MSGPACK_AEAD.get(aead)
    return None if algorithm is None else Parts(algorithm, sealed, iv, nonce)


def older(data: bytes) -> Parts | None:
    """The parts of an older encoding; None for what is not wholly one."""
    parts = None
    if data[:1] == b"{":
        parts = _from_json(data)
    elif data[:1] == b"\x95":
        parts = _from_msgpack(data)
    return parts if parts is not None and len(parts.iv) == IV_SIZE and len(parts.nonce) == NONCE_SIZE else None


class Cipher(Envelope):
    """A key made ready, for ciphertexts as they go over the wire."""

    __slots__ = ("_key",)

    def __init__(self, algorithm: Algorithm, key: bytes) -> None:
        super().__init__(algorithm, key)
        self._key = key

    def encrypt(self, plaintext: bytes, context: bytes, random: bytes) -> bytes:
        """Today's form: sealed, iv, nonce. `random`: 28 bytes, iv then nonce, never used twice with a key."""
        return self.seal(plaintext, context, random) + random

    def decrypt(self, ciphertext: bytes, context: bytes) -> bytes:
        """The plaintext, or NotAuthentic. An older encoding names its algorithm, and old entries name none: there
        the ciphertext's word counts (a wrong one cannot authenticate)."""
        parts = older(ciphertext)
        if parts is not None:
            return Envelope(parts.algorithm, self._key).open(parts.sealed, context, parts.iv, parts.nonce)
        sealed, random = ciphertext[:-RANDOM_SIZE], ciphertext[-RANDOM_SIZE:]
        return self.open(sealed, context, random[:IV_SIZE], random[IV_SIZE:])
