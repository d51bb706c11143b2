"""Bodies on the wire: JSON in as Go's decoder reads it, JSON out as Go's encoder writes it.

Two readers with one meaning. The quick one takes what every client sends; whatever it refuses, the careful one
reads the way Go does: field names in any case, unknown fields, null, data after the first value. The quick one
refuses unknown fields, since `CONTEXT` must not be mistaken for "no context".
"""

from __future__ import annotations

import binascii
import json
from base64 import b64decode
from typing import Any, TypeVar

import msgspec

from openkes.errors import APIError, Code


class GenerateRequest(msgspec.Struct, forbid_unknown_fields=True):
    context: bytes = b""


class EncryptRequest(msgspec.Struct, forbid_unknown_fields=True):
    plaintext: bytes = b""
    context: bytes = b""


class DecryptRequest(msgspec.Struct, forbid_unknown_fields=True):
    ciphertext: bytes = b""
    context: bytes = b""
    version: int = 0


class HMACRequest(msgspec.Struct, forbid_unknown_fields=True):
    message: bytes = b""


class ImportRequest(msgspec.Struct, forbid_unknown_fields=True):
    key: bytes = b""
    cipher: str = ""


class GenerateReply(msgspec.Struct, omit_defaults=True):
    plaintext: bytes
    ciphertext: bytes
    version: int = 0


class EncryptReply(msgspec.Struct, omit_defaults=True):
    ciphertext: bytes
    version: int = 0


class DecryptReply(msgspec.Struct):
    plaintext: bytes


class HMACReply(msgspec.Struct):
    hmac: bytes


_T = TypeVar("_T", bound=msgspec.Struct)
_DECODERS: dict[type[msgspec.Struct], msgspec.json.Decoder[Any]] = {
    cls: msgspec.json.Decoder(cls)
    for cls in (GenerateRequest, EncryptRequest, DecryptRequest, HMACRequest, ImportRequest)
}
_encode = msgspec.json.Encoder().encode


def decode(cls: type[_T], body: bytes) -> _T:
    """APIError EMPTY_BODY for no bytes (a client that failed over lost them), BAD_BODY for what Go would refuse."""
    if not body:
        raise APIError(Code.EMPTY_BODY)
    try:
        return _DECODERS[cls].decode(body)  # type: ignore[no-any-return]
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _decode_carefully(cls, body)


def _reject_constant(_: str) -> None:
    raise ValueError("not JSON")


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as it stood there: which of two equal names comes last is what counts."""


# As arguments: a decoder that exists does not look at them again.
_careful = json.JSONDecoder(strict=True, parse_constant=_reject_constant, object_pairs_hook=_Pairs)


def _folded(name: str) -> str:
    """As Go compares names: letter by letter, so that no letter becomes two."""
    folded = name.casefold()
    return folded if len(folded) == len(name) else name


def _decode_carefully(cls: type[_T], body: bytes) -> _T:
    try:
        text = body.decode("utf-8", "replace").lstrip(" \t\r\n")
        document, _ = _careful.raw_decode(text)
    except (ValueError, RecursionError):
        raise APIError(Code.BAD_BODY) from None
    if document is None:
        return cls()
    if not isinstance(document, _Pairs):
        raise APIError(Code.BAD_BODY)
    fields = {field.name: field.type for field in msgspec.structs.fields(cls)}
    found: dict[str, Any] = {}
    for key, value in document:
        name = key if key in fields else _folded(key)
        if name in fields and value is not None:
            found[name] = _convert(fields[name], value)
    return cls(**found)


def _convert(kind: type, value: object) -> object:
    if kind is bytes and isinstance(value, str):
        try:
            # Go's decoder skips line breaks in base64 and wants the padding.
            return b64decode(value.replace("\r", "").replace("\n", "").encode("ascii"), validate=True)
        except (binascii.Error, UnicodeEncodeError):
            raise APIError(Code.BAD_BODY) from None
    if kind is str and isinstance(value, str):
        return value
    if kind is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    raise APIError(Code.BAD_BODY)


def encode(document: object) -> bytes:
    """JSON and a newline, as Go's encoder ends it. Byte strings become base64."""
    return _encode(document) + b"\n"


def error_body(message: str) -> bytes:
    return _encode({"message": message}) + b"\n"
