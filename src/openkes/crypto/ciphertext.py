"""Ciphertext bytes: today's binary form and the two older encodings.

Owns the parsing. Must not know entries, names or HTTP. Every failure is `NotAuthentic`.

Once in 128 a binary ciphertext starts, by chance, with the first byte of an older encoding: what does not
parse whole as one is binary.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from openkes.crypto.aead import (
    IV_SIZE,
    NONCE_SIZE,
    RANDOM_SIZE,
    TAG_SIZE,
    Algorithm,
    NotAuthentic,
    open_,
    seal,
)

_JSON_AEAD = {"AES-256-GCM-HMAC-SHA-256": Algorithm.AES256, "ChaCha20Poly1305": Algorithm.CHACHA20}
_MSGPACK_AEAD = {a.alias: a for a in Algorithm}


@dataclass(frozen=True, slots=True)
class Parts:
    """`algorithm` is None where the encoding does not say: then it is the key's."""

    algorithm: Algorithm | None
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


def parse(data: bytes) -> Parts:
    """NotAuthentic when there are too few bytes for any encoding."""
    parts = None
    if data[:1] == b"{":
        parts = _from_json(data)
    elif data[:1] == b"\x95":
        parts = _from_msgpack(data)
    if parts is not None and len(parts.iv) == IV_SIZE and len(parts.nonce) == NONCE_SIZE:
        return parts
    if len(data) < TAG_SIZE + RANDOM_SIZE:
        raise NotAuthentic
    end = len(data) - NONCE_SIZE
    return Parts(None, data[: end - IV_SIZE], data[end - IV_SIZE : end], data[end:])


def encrypt(algorithm: Algorithm, key: bytes, plaintext: bytes, context: bytes, random: bytes) -> bytes:
    """Today's form: sealed, iv, nonce. `random`: 28 bytes, iv then nonce, never used twice with a key."""
    return seal(algorithm, key, plaintext, context, random) + random


def decrypt(algorithm: Algorithm, key: bytes, ciphertext: bytes, context: bytes) -> bytes:
    """The plaintext, or NotAuthentic. An older encoding names its algorithm, and old entries name none: there
    the ciphertext's word counts (a wrong one cannot authenticate)."""
    parts = parse(ciphertext)
    return open_(parts.algorithm or algorithm, key, parts.sealed, context, parts.iv, parts.nonce)
