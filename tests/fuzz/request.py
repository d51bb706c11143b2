"""Request JSON: both readers and a model of Go's decoder must agree; only APIError may escape."""

from __future__ import annotations

import contextlib
import json
from base64 import b64decode
from typing import Any

import msgspec

from openkes.errors import APIError
from openkes.server import wire
from tests.fuzz.target import Target

CLASSES: tuple[type[msgspec.Struct], ...] = (
    wire.GenerateRequest,
    wire.EncryptRequest,
    wire.DecryptRequest,
    wire.HMACRequest,
    wire.ImportRequest,
)


class Pairs(list[tuple[str, Any]]):
    """A JSON object with everything that stood in it, in order."""


def check(data: bytes) -> None:
    """The first byte chooses the route, the rest is the body."""
    cls, body = CLASSES[data[0] % len(CLASSES) if data else 0], data[1:]
    quick = careful = None
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
        quick = wire._DECODERS[cls].decode(body)
    with contextlib.suppress(APIError):
        careful = wire._decode_carefully(cls, body) if body else None
    try:
        decoded = wire.decode(cls, body)
    except APIError:
        assert quick is None and careful is None, "refused what a reader accepts"
        return
    assert quick is None or careful is None or quick == careful, "the two readers disagree"
    assert decoded == _as_go(cls, body), "it means something else to Go"


def _as_go(cls: type[msgspec.Struct], body: bytes) -> msgspec.Struct:
    """Go's rules: the last value of a field that is not null counts; names match whatever their case."""
    decoder = json.JSONDecoder(object_pairs_hook=Pairs, parse_constant=_refuse)
    document, end = decoder.raw_decode(body.decode("utf-8", "replace").lstrip(" \t\r\n"))
    assert end > 0
    if document is None:
        return cls()
    assert isinstance(document, Pairs), "Go wants an object"
    fields = {field.name: field.type for field in msgspec.structs.fields(cls)}
    found = {}
    for key, value in document:
        name = _fold(key)
        if name in fields and value is not None:
            text = value.replace("\r", "").replace("\n", "") if isinstance(value, str) else value
            found[name] = b64decode(text, validate=True) if fields[name] is bytes else value
    return cls(**found)


def _refuse(word: str) -> None:
    raise AssertionError(f"{word} is not JSON to Go")


def _fold(key: str) -> str:
    # The two letters outside ASCII that fold to one inside: U+017F and U+212A.
    special = {"\u017f": "s", "\u212a": "k"}
    return "".join(special.get(c, c.lower() if c.isascii() else c) for c in key)


TARGET = Target(
    "request",
    check,
    seeds=(
        b'\x00{"context":"Y29udGV4dA=="}',
        b"\x00{}",
        b"\x00null",
        b'\x01{"plaintext":"cGxhaW4=","context":"Y29udGV4dA=="}',
        b'\x02{"ciphertext":"AAAAAAAAAAAAAAAAAAAAAAAAAAAA","context":null,"version":1}',
        b'\x02 \n{"CIPHERTEXT":"QUJD","conTEXT":"\\u0059Q==","other":[1,{"a":2.5e3}]} trailing',
        b'\x03{"message":"bWVzc2FnZQ=="}',
        b'\x04{"key":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","cipher":"AES256"}',
        b'\x04{"\xe2\x84\xaaey":"QUJD","cipher":"ChaCha20"}',
        b'\x03{"me\xc3\x9fage":"QUJD","me\xc5\xbfsage":"RUZH"}',
        b'\x00{"x":' + b"[" * 2000,
        # Found: these once meant something else here than to Go.
        b'\x03{"me\xc3\x9fage":"QUJD"}',
        b'\x00{"context":"QUJD","x":NaN}',
        b'\x00{"context":"QUJD","context":null}',
        b'\x00{"context":"QUJD","CONTEXT":"REVG","context":"R0hJ"}',
    ),
    words=(
        *(b'"%s":' % n for n in (b"context", b"Context", b"plaintext", b"ciphertext", b"message", b"key", b"cipher")),
        *(b"null,", b'"",', b'"YQ==",', b'"YQ==\\n",', b'"Y\\u0051==",', b"NaN", b"-Infinity", b"1e999", b"\\ud800"),
        *(
            b"[" * 1100,
            b'{"a":' * 1000,
            b"}",
            b"]",
            b",",
            b"\xff",
            b"\xef\xbb\xbf",
            b"9" * 30,
            b"true",
            b'"version":',
        ),
    ),
)
