"""The key routes as functions of values: bytes and names in, bytes out.

Must not know Flask, connections or policies. Data functions take the `Key` itself, since the hot door must not
block on a store; what changes keys goes through the `Lifecycle`.
"""

from __future__ import annotations

import hmac
import os
import time

from openkes import names
from openkes.crypto import timestamp
from openkes.crypto.aead import BY_NAME, KEY_SIZE, RANDOM_SIZE, Algorithm, NotAuthentic
from openkes.crypto.entry import Key, Version
from openkes.errors import APIError, Code
from openkes.keystore import KeyExists
from openkes.keystore.lifecycle import Lifecycle
from openkes.server import wire
from openkes.server.state import State

LIST_PAGE = 1_000
SCAN_WAIT = 5.0  # seconds a listing waits for the look at all entries after the start


def generate(name: str, key: Key, body: bytes) -> bytes:
    request = wire.decode(wire.GenerateRequest, body)
    random = os.urandom(KEY_SIZE + RANDOM_SIZE)
    plaintext = random[:KEY_SIZE]
    sealed = key.cipher.encrypt(plaintext, request.context, random[KEY_SIZE:])
    return wire.encode(wire.GenerateReply(plaintext, sealed, _shown_version(key)))


def encrypt(name: str, key: Key, body: bytes) -> bytes:
    request = wire.decode(wire.EncryptRequest, body)
    sealed = key.cipher.encrypt(request.plaintext, request.context, os.urandom(RANDOM_SIZE))
    return wire.encode(wire.EncryptReply(sealed, _shown_version(key)))


def decrypt(name: str, key: Key, body: bytes) -> bytes:
    """Whichever version it was made with opens it: a ciphertext does not say."""
    request = wire.decode(wire.DecryptRequest, body)
    try:
        plaintext = key.cipher.decrypt(request.ciphertext, request.context)
    except NotAuthentic:
        plaintext = _decrypt_older(key, request)
    return wire.encode(wire.DecryptReply(plaintext))


def _decrypt_older(key: Key, request: wire.DecryptRequest) -> bytes:
    # The version that a client names is the first guess only: authenticity decides, and no data may be lost to it.
    for version in sorted(key.older, key=lambda version: version.number != request.version):
        try:
            return version.cipher.decrypt(request.ciphertext, request.context)
        except NotAuthentic:
            continue
    raise APIError(Code.NOT_AUTHENTIC) from None


def _shown_version(key: Key) -> int:
    """0, which is left out, for a key that was never rotated: the reply is upstream's then."""
    return key.version if key.is_rotated else 0


def hmac_(name: str, key: Key, body: bytes) -> bytes:
    request = wire.decode(wire.HMACRequest, body)
    if key.hmac_key is None:
        raise APIError(Code.NO_HMAC_KEY, name=name)
    return wire.encode(wire.HMACReply(hmac.digest(key.hmac_key, request.message, "sha256")))


def describe(name: str, key: Key, body: bytes) -> bytes:
    document: dict[str, object] = {"name": name, **_described(key.versions()[0])}
    if key.is_rotated:
        document["version"] = key.version
        document["versions"] = [{"version": v.number, **_described(v)} for v in key.versions()]
    return wire.encode(document)


def _described(version: Version) -> dict[str, object]:
    document: dict[str, object] = {
        "algorithm": version.algorithm.text,
        "created_at": timestamp.to_text(version.created_at),
    }
    return {**document, "created_by": version.created_by} if version.created_by else document


def create(lifecycle: Lifecycle, name: str, identity: str) -> None:
    """A new random key. APIError BAD_NAME; KeyExists, Unreachable."""
    names.check(name)
    _store(lifecycle, name, Algorithm.AES256, os.urandom(KEY_SIZE), identity)


def import_(lifecycle: Lifecycle, name: str, identity: str, body: bytes) -> None:
    names.check(name)
    request = wire.decode(wire.ImportRequest, body)
    algorithm = BY_NAME.get(request.cipher)
    if algorithm is None:
        raise APIError(Code.BAD_CIPHER, cipher=request.cipher)
    if len(request.key) != KEY_SIZE:
        raise APIError(Code.BAD_KEY_SIZE, cipher=request.cipher, size=len(request.key))
    _store(lifecycle, name, algorithm, request.key, identity)


def _store(lifecycle: Lifecycle, name: str, algorithm: Algorithm, raw: bytes, identity: str) -> None:
    lifecycle.create(name, Key(algorithm, raw, os.urandom(KEY_SIZE), time.time_ns(), identity))


def rotate(lifecycle: Lifecycle, name: str, identity: str) -> bytes:
    names.check(name)
    try:
        key = lifecycle.rotate(name, os.urandom(KEY_SIZE), identity)
    except KeyExists:
        raise APIError(Code.CHANGED, name=name) from None
    return wire.encode({"version": key.version})


def delete(lifecycle: Lifecycle, name: str) -> None:
    names.check(name)
    try:
        lifecycle.delete(name)
    except KeyExists:
        raise APIError(Code.CHANGED, name=name) from None


def undelete(lifecycle: Lifecycle, name: str) -> None:
    names.check(name)
    try:
        lifecycle.undelete(name)
    except KeyExists:
        raise APIError(Code.CHANGED, name=name) from None


def pending(lifecycle: Lifecycle, prefix: str) -> bytes:
    """Names whose deletion waits, each with the time at which it is carried out."""
    lifecycle.scanned.wait(SCAN_WAIT)
    prefix = prefix.removesuffix("*")
    found = {name: at for name, at in sorted(lifecycle.pending().items()) if name.startswith(prefix)}
    return wire.encode({"names": {name: {"purge_at": timestamp.to_text(at)} for name, at in found.items()}})


def list_(state: State, prefix: str) -> bytes:
    """Every name in one answer: a client takes the continuation for a prefix, and would lose keys."""
    prefix = prefix.removesuffix("*")
    lifecycle = state.lifecycle
    found: list[str] = []
    start = ""
    while True:
        page = state.keys.store.list(prefix, LIST_PAGE, start)
        found += page.names
        start = page.continue_at
        if not start:
            break
    lifecycle.scanned.wait(SCAN_WAIT)  # not before: a store that is away makes nobody wait
    waiting, versions = lifecycle.pending(), lifecycle.versions()
    names_ = [name for name in found if name not in waiting]
    rotated = {name: versions[name] for name in names_ if name in versions}
    return wire.encode({"names": names_, "versions": rotated} if rotated else {"names": names_})
