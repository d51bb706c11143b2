"""Stored key entries: base64 of a protobuf message, and the older JSON form.

Owns the bytes of an entry and the `Key` they stand for. Must not know where entries are kept.
Entries are written so that upstream reads them: the same fields, the same numbers, nothing required beyond.
"""

from __future__ import annotations

import binascii
import json
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2
from google.protobuf.message import DecodeError, Message

from openkes.crypto import timestamp
from openkes.crypto.aead import BY_NAME, BY_NUMBER, KEY_SIZE, Algorithm

HMAC_SHA256 = 1
_SECOND = 1_000_000_000


class MalformedEntry(ValueError):
    """The stored bytes are not an entry; the text says why, never what they are."""


@dataclass(frozen=True, slots=True)
class Key:
    """`key` and `hmac_key` (None in old entries) are 32 bytes; `created_at` is nanoseconds since 1970 UTC, None
    where it was not recorded; `created_by` an identity or ""."""

    algorithm: Algorithm
    key: bytes = field(repr=False)
    hmac_key: bytes | None = field(repr=False)
    created_at: int | None
    created_by: str


def _message_class() -> type[Message]:
    """The schema as data: generated code would tie the package to one protobuf release."""
    field_type = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="openkes/entry.proto", package="openkes.entry", syntax="proto3",
        dependency=["google/protobuf/timestamp.proto"],
    )  # fmt: skip

    def add(owner: Any, name: str, number: int, kind: int, type_name: str = "") -> None:
        label = field_type.LABEL_OPTIONAL
        owner.field.add(name=name, number=number, type=kind, type_name=type_name or None, label=label)

    for name, second in (("CipherKey", "Type"), ("HMACKey", "Hash")):
        part = file.message_type.add(name=name)
        add(part, "Key", 1, field_type.TYPE_BYTES)
        add(part, second, 2, field_type.TYPE_UINT32)
    entry = file.message_type.add(name="Entry")
    add(entry, "Key", 1, field_type.TYPE_MESSAGE, ".openkes.entry.CipherKey")
    add(entry, "HMACKey", 2, field_type.TYPE_MESSAGE, ".openkes.entry.HMACKey")
    add(entry, "CreatedAt", 3, field_type.TYPE_MESSAGE, ".google.protobuf.Timestamp")
    add(entry, "CreatedBy", 4, field_type.TYPE_STRING)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("openkes.entry.Entry"))


_Entry: Any = _message_class()


def encode(key: Key) -> bytes:
    """The text to store, without a newline."""
    message = _Entry()
    message.Key.Key = key.key
    message.Key.Type = key.algorithm.number
    if key.hmac_key is not None:
        message.HMACKey.Key = key.hmac_key
        message.HMACKey.Hash = HMAC_SHA256
    if key.created_at is not None:
        message.CreatedAt.seconds, message.CreatedAt.nanos = divmod(key.created_at, _SECOND)
    message.CreatedBy = key.created_by
    return b64encode(message.SerializeToString())


def decode(text: bytes) -> Key:
    """Either form; white space around it is ignored. MalformedEntry for everything else."""
    text = text.strip()
    if not text:
        raise MalformedEntry("it is empty")
    if text[:1] == b"{":
        return _decode_json(text)
    return _decode_protobuf(text)


def _decode_protobuf(text: bytes) -> Key:
    try:
        message = _Entry.FromString(b64decode(text, validate=True))
    except binascii.Error:
        raise MalformedEntry("it is neither base64 nor JSON") from None
    except DecodeError:
        raise MalformedEntry("it is not a protobuf message of the expected form") from None
    algorithm = BY_NUMBER.get(message.Key.Type)
    if algorithm is None:
        raise MalformedEntry(f"its algorithm number {message.Key.Type} is unknown")
    hmac_key = None
    if message.HasField("HMACKey"):
        if message.HMACKey.Hash != HMAC_SHA256:
            raise MalformedEntry(f"its HMAC hash number {message.HMACKey.Hash} is unknown")
        hmac_key = _key(message.HMACKey.Key, "HMAC key")
    created_at = None
    if message.HasField("CreatedAt"):
        created_at = message.CreatedAt.seconds * _SECOND + message.CreatedAt.nanos
    return Key(algorithm, _key(message.Key.Key, "key"), hmac_key, created_at, message.CreatedBy)


def _decode_json(text: bytes) -> Key:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise MalformedEntry("it starts like JSON and is not") from None
    if not isinstance(document, dict):
        raise MalformedEntry("it is JSON, but not an object")
    # Go writes the zero value of these fields as "" or leaves them out.
    name = document.get("algorithm") or Algorithm.AES256.text
    algorithm = BY_NAME.get(name) if isinstance(name, str) else None
    if algorithm is None:
        raise MalformedEntry("its algorithm is unknown")
    try:
        raw = b64decode(document["bytes"], validate=True)
        created_at = timestamp.from_text(document["created_at"]) if document.get("created_at") else None
    except KeyError:
        raise MalformedEntry("it has no key bytes") from None
    except (binascii.Error, TypeError, ValueError):
        raise MalformedEntry("its key bytes or its time cannot be read") from None
    created_by = document.get("created_by") or ""
    if not isinstance(created_by, str):
        raise MalformedEntry("its creator is not text")
    return Key(algorithm, _key(raw, "key"), None, created_at, created_by)


def _key(raw: bytes, what: str) -> bytes:
    if len(raw) != KEY_SIZE:
        raise MalformedEntry(f"its {what} has {len(raw)} bytes, not {KEY_SIZE}")
    return raw
