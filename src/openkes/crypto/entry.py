"""Stored key entries: base64 of a protobuf message, and the older JSON form.

Owns the bytes of an entry. Must not know where entries are kept. Upstream reads what is written here: the same
fields and numbers, and what is new stands in fields that it ignores (see `entry_schema`).
"""

from __future__ import annotations

import binascii
import hmac
from base64 import b64decode, b64encode
from typing import Any

from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

from openkes.crypto.aead import BY_NUMBER, KEY_SIZE, Algorithm
from openkes.crypto.entry_json import decode_json
from openkes.crypto.entry_schema import entry_class
from openkes.crypto.key import Key, Version
from openkes.crypto.malformed import MalformedEntry
from openkes.crypto.sealing import is_sealed

__all__ = ["Key", "MalformedEntry", "Version", "decode", "encode"]

HMAC_SHA256 = 1
_SECOND = 1_000_000_000
_Entry = entry_class()
_TAG_SIZE = 32
#: Field 15, 32 bytes. The tag comes first: cut anywhere, an entry is not mistaken for one without a tag.
_TAG_HEADER = bytes([15 << 3 | 2, _TAG_SIZE])
_TAG_CONTEXT = b"openkes entry 1\0"


def encode(key: Key, name: str = "", tagged: bool = True) -> bytes:
    """The text to store, without a newline. `tagged` False: upstream's bytes, for a key without anything newer."""
    message = _Entry()
    _put_cipher_key(message.Key, key.algorithm, key.key)
    if key.hmac_key is not None:
        message.HMACKey.Key = key.hmac_key
        message.HMACKey.Hash = HMAC_SHA256
    _put_time(message, "CreatedAt", key.created_at)
    message.CreatedBy = key.created_by
    if key.is_rotated:
        message.Version = key.version
    for version in key.older:
        older = message.Older.add()
        _put_cipher_key(older.Key, version.algorithm, version.key)
        _put_time(older, "CreatedAt", version.created_at)
        older.CreatedBy = version.created_by
        older.Version = version.number
    _put_time(message, "DeletedAt", key.deleted_at)
    _put_time(message, "PurgeAt", key.purge_at)
    if not tagged:
        return b64encode(message.SerializeToString())
    message.Name = name
    body = message.SerializeToString()
    return b64encode(_TAG_HEADER + _tag(key.key, body) + body)


def decode(text: bytes, name: str = "") -> Key:
    """Either form; white space around it is ignored. MalformedEntry for everything else, also for an entry that was
    stored under another name than `name`."""
    text = text.strip()
    if not text:
        raise MalformedEntry("it is empty")
    if text[:1] == b"{":
        return decode_json(text)
    data = _base64(text)
    try:
        message = _Entry.FromString(data)
    except DecodeError:
        raise MalformedEntry("it is not a protobuf message of the expected form") from None
    key = _key(message)
    if key.tagged:
        _check_tag(message, key, data)
        if name and message.Name and message.Name != name:
            raise MalformedEntry(f"it was stored under the name {message.Name}")
    return key


def _base64(text: bytes) -> bytes:
    try:
        data = b64decode(text, validate=True)
    except binascii.Error:
        if is_sealed(text):
            raise MalformedEntry(
                "it is sealed, and the key store is opened without its sealing key: set keystore.fs.seal"
            ) from None
        raise MalformedEntry("it is neither base64 nor JSON") from None
    if b64encode(data) != text:
        raise MalformedEntry("its last base64 character has been changed")
    return data


def _key(message: Any) -> Key:
    if _has_unknown(message):
        raise MalformedEntry("it has fields that this version does not know: damaged, or written by a newer openkes")
    hmac_key = None
    if message.HasField("HMACKey"):
        if message.HMACKey.Hash != HMAC_SHA256:
            raise MalformedEntry(f"its HMAC hash number {message.HMACKey.Hash} is unknown")
        hmac_key = _raw(message.HMACKey.Key, "HMAC key")
    algorithm, raw = _cipher_key(message.Key)
    return Key(
        algorithm=algorithm,
        key=raw,
        hmac_key=hmac_key,
        created_at=_time(message, "CreatedAt"),
        created_by=message.CreatedBy,
        version=message.Version or 1,
        older=tuple(_older(older) for older in message.Older),
        deleted_at=_time(message, "DeletedAt"),
        purge_at=_time(message, "PurgeAt"),
        tagged=bool(message.Tag),
    )


def _older(message: Any) -> Version:
    algorithm, raw = _cipher_key(message.Key)
    return Version(message.Version, algorithm, raw, _time(message, "CreatedAt"), message.CreatedBy)


def _check_tag(message: Any, key: Key, data: bytes) -> None:
    head = len(_TAG_HEADER) + _TAG_SIZE
    if data[:head] != _TAG_HEADER + message.Tag or not hmac.compare_digest(message.Tag, _tag(key.key, data[head:])):
        raise MalformedEntry("its integrity tag does not match: bytes have been changed or lost")


def _tag(raw: bytes, body: bytes) -> bytes:
    return hmac.digest(raw, _TAG_CONTEXT + body, "sha256")


def _has_unknown(message: Any) -> bool:
    parts = [message, message.Key, message.HMACKey, *message.Older, *(older.Key for older in message.Older)]
    return any(len(UnknownFieldSet(part)) for part in parts)


def _put_cipher_key(message: Any, algorithm: Algorithm, raw: bytes) -> None:
    message.Key = raw
    message.Type = algorithm.number


def _cipher_key(message: Any) -> tuple[Algorithm, bytes]:
    algorithm = BY_NUMBER.get(message.Type)
    if algorithm is None:
        raise MalformedEntry(f"its algorithm number {message.Type} is unknown")
    return algorithm, _raw(message.Key, "key")


def _put_time(message: Any, field: str, ns: int | None) -> None:
    if ns is not None:
        time = getattr(message, field)
        time.seconds, time.nanos = divmod(ns, _SECOND)
        # An all-zero time is a set time too: presence counts.
        time.SetInParent()


def _time(message: Any, field: str) -> int | None:
    if not message.HasField(field):
        return None
    time = getattr(message, field)
    return int(time.seconds * _SECOND + time.nanos)


def _raw(raw: bytes, what: str) -> bytes:
    if len(raw) != KEY_SIZE:
        raise MalformedEntry(f"its {what} has {len(raw)} bytes, not {KEY_SIZE}")
    return raw
