"""Ciphertexts: whatever does not open is NotAuthentic; what was sealed opens, and with one bit changed does not."""

from __future__ import annotations

import json
from base64 import b64encode

import msgspec

from openkes.crypto.aead import RANDOM_SIZE, Algorithm, NotAuthentic
from openkes.crypto.ciphertext import Cipher
from tests.fuzz.target import Target

KEY = bytes(range(32))
PLAIN, CONTEXT, RANDOM = b"a data key", b"bucket/object", bytes(range(100, 128))


def check(data: bytes) -> None:
    """The first byte chooses the algorithm, and whether the rest is a ciphertext or something to seal."""
    if not data:
        return
    algorithm = (Algorithm.AES256, Algorithm.CHACHA20)[data[0] & 1]
    if data[0] & 2:
        _seal(algorithm, data[1:])
    else:
        _open(algorithm, data[1:])


def _open(algorithm: Algorithm, sealed: bytes) -> None:
    try:
        plain = Cipher(algorithm, KEY).decrypt(sealed, CONTEXT)
    except NotAuthentic:
        return
    assert plain == PLAIN, "opened what nobody sealed"


def _seal(algorithm: Algorithm, data: bytes) -> None:
    random, at, plain = data[:RANDOM_SIZE].ljust(RANDOM_SIZE, b"\0"), data[RANDOM_SIZE:][:2], data[RANDOM_SIZE + 2 :]
    sealed = Cipher(algorithm, KEY).encrypt(plain, CONTEXT, random)
    assert Cipher(algorithm, KEY).decrypt(sealed, CONTEXT) == plain
    bit = int.from_bytes(at) % (len(sealed) * 8)
    changed = bytearray(sealed)
    changed[bit // 8] ^= 1 << bit % 8
    for wrong, context in ((bytes(changed), CONTEXT), (sealed, CONTEXT + b"."), (sealed[:-1], CONTEXT)):
        try:
            Cipher(algorithm, KEY).decrypt(wrong, context)
        except NotAuthentic:
            continue
        raise AssertionError("a changed ciphertext opens")


def _json(aead: str, algorithm: Algorithm) -> bytes:
    body = Cipher(algorithm, KEY).encrypt(PLAIN, CONTEXT, RANDOM)[: -len(RANDOM)]
    fields = {"iv": RANDOM[:16], "nonce": RANDOM[16:], "bytes": body}
    return json.dumps({"aead": aead, "id": "x", **{k: b64encode(v).decode() for k, v in fields.items()}}).encode()


def _msgpack(algorithm: Algorithm) -> bytes:
    body = Cipher(algorithm, KEY).encrypt(PLAIN, CONTEXT, RANDOM)[: -len(RANDOM)]
    return msgspec.msgpack.encode((algorithm.alias, "id", RANDOM[:16], RANDOM[16:], body))


TARGET = Target(
    "ciphertext",
    check,
    seeds=(
        b"\x00" + Cipher(Algorithm.AES256, KEY).encrypt(PLAIN, CONTEXT, RANDOM),
        b"\x01" + Cipher(Algorithm.CHACHA20, KEY).encrypt(PLAIN, CONTEXT, RANDOM),
        b"\x00" + _json("AES-256-GCM-HMAC-SHA-256", Algorithm.AES256),
        b"\x01" + _json("ChaCha20Poly1305", Algorithm.CHACHA20),
        b"\x00" + _msgpack(Algorithm.AES256),
        b"\x01" + _msgpack(Algorithm.CHACHA20),
        b'\x00{"x":' + b"[" * 2000,
        b"\x00\x95" + b"\x91" * 2000,
        b"\x02" + RANDOM + b"\x01\x02" + PLAIN,
        b"\x03" + RANDOM + b"\x00\x07" + b"x" * 100,
    ),
    words=(
        *(b'"aead":', b'"iv":', b'"nonce":', b'"bytes":', b'"id":', b"null", b'""', b"[" * 1100, b'{"a":' * 1000),
        *(
            b"\x95",
            b"\xc4\x10",
            b"\xc6\xff\xff\xff\xff",
            b"\xdd\xff\xff\xff\xff",
            b"\xd9\xff",
            b"\xc0",
            b"\x91" * 1100,
        ),
    ),
)
