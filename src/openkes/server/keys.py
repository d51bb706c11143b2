"""The key routes as functions of values: bytes and names in, bytes out.

Must not know Flask, connections or policies. `KeyCache.get` may block on the store; what a hot call needs is the
key itself, so every data function takes a `Key`.
"""

from __future__ import annotations

import hmac
import os
import time

from openkes import names
from openkes.crypto import ciphertext, timestamp
from openkes.crypto.aead import BY_NAME, KEY_SIZE, RANDOM_SIZE, Algorithm, NotAuthentic
from openkes.crypto.entry import Key
from openkes.errors import APIError, Code
from openkes.keystore.cache import KeyCache
from openkes.server import wire

LIST_PAGE = 1_000


def generate(name: str, key: Key, body: bytes) -> bytes:
    request = wire.decode(wire.GenerateRequest, body)
    random = os.urandom(KEY_SIZE + RANDOM_SIZE)
    plaintext = random[:KEY_SIZE]
    sealed = ciphertext.encrypt(key.algorithm, key.key, plaintext, request.context, random[KEY_SIZE:])
    return wire.encode(wire.GenerateReply(plaintext, sealed))


def encrypt(name: str, key: Key, body: bytes) -> bytes:
    request = wire.decode(wire.EncryptRequest, body)
    sealed = ciphertext.encrypt(key.algorithm, key.key, request.plaintext, request.context, os.urandom(RANDOM_SIZE))
    return wire.encode(wire.EncryptReply(sealed))


def decrypt(name: str, key: Key, body: bytes) -> bytes:
    request = wire.decode(wire.DecryptRequest, body)
    try:
        plaintext = ciphertext.decrypt(key.algorithm, key.key, request.ciphertext, request.context)
    except NotAuthentic:
        raise APIError(Code.NOT_AUTHENTIC) from None
    return wire.encode(wire.DecryptReply(plaintext))


def hmac_(name: str, key: Key, body: bytes) -> bytes:
    request = wire.decode(wire.HMACRequest, body)
    if key.hmac_key is None:
        raise APIError(Code.NO_HMAC_KEY, name=name)
    return wire.encode(wire.HMACReply(hmac.digest(key.hmac_key, request.message, "sha256")))


def describe(name: str, key: Key, body: bytes) -> bytes:
    document = {"name": name, "algorithm": key.algorithm.text, "created_at": timestamp.to_text(key.created_at)}
    if key.created_by:
        document["created_by"] = key.created_by
    return wire.encode(document)


def create(keys: KeyCache, name: str, identity: str) -> None:
    """A new random key. APIError BAD_NAME; KeyExists, Unreachable."""
    names.check(name)
    _store(keys, name, Algorithm.AES256, os.urandom(KEY_SIZE), identity)


def import_(keys: KeyCache, name: str, identity: str, body: bytes) -> None:
    names.check(name)
    request = wire.decode(wire.ImportRequest, body)
    algorithm = BY_NAME.get(request.cipher)
    if algorithm is None:
        raise APIError(Code.BAD_CIPHER, cipher=request.cipher)
    if len(request.key) != KEY_SIZE:
        raise APIError(Code.BAD_KEY_SIZE, cipher=request.cipher, size=len(request.key))
    _store(keys, name, algorithm, request.key, identity)


def _store(keys: KeyCache, name: str, algorithm: Algorithm, raw: bytes, identity: str) -> None:
    keys.create(name, Key(algorithm, raw, os.urandom(KEY_SIZE), time.time_ns(), identity))


def delete(keys: KeyCache, name: str) -> None:
    keys.delete(names.check(name))


def list_(keys: KeyCache, prefix: str) -> bytes:
    """Every name in one answer: a client takes the continuation for a prefix, and would lose keys."""
    prefix = prefix.removesuffix("*")
    found: list[str] = []
    start = ""
    while True:
        page = keys.store.list(prefix, LIST_PAGE, start)
        found += page.names
        start = page.continue_at
        if not start:
            return wire.encode({"names": found})
