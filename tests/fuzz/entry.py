"""Stored entries: MalformedEntry or a key that can be described, and written and read again without a change."""

from __future__ import annotations

from base64 import b64encode

from openkes.crypto import entry
from openkes.crypto.aead import Algorithm
from openkes.server import keys
from tests.fuzz.target import Target

_KEY = entry.Key(Algorithm.AES256, bytes(range(32)), bytes(range(32, 64)), 1_700_000_000_123_456_789, "a" * 64)
_OLD = entry.Key(Algorithm.CHACHA20, bytes(range(32)), None, None, "")


def check(data: bytes) -> None:
    """The first byte chooses: the text as stored, or a protobuf message to be put into base64."""
    text = data[1:] if data[:1] != b"\x01" else b64encode(data[1:])
    try:
        key = entry.decode(text)
    except entry.MalformedEntry as error:
        assert text[:20] not in str(error).encode() or len(text) < 20, "the error quotes the entry"
        return
    assert len(key.key) == 32 and (key.hmac_key is None or len(key.hmac_key) == 32)
    assert entry.decode(entry.encode(key)) == key
    keys.describe("name", key, b"")


def _protobuf(key: entry.Key) -> bytes:
    from base64 import b64decode

    return b64decode(entry.encode(key))


TARGET = Target(
    "entry",
    check,
    seeds=(
        b"\x00" + entry.encode(_KEY) + b"\n",
        b"\x00" + entry.encode(_OLD),
        b"\x01" + _protobuf(_KEY),
        b"\x01" + _protobuf(_OLD),
        b'\x00{"bytes":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","algorithm":"AES256",'
        b'"created_at":"2023-01-02T03:04:05.678+01:00","created_by":"someone"}',
        b'\x00{"bytes":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}',
        # Found: it could be read and not described.
        b'\x00{"bytes":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","created_by":"\\ud800"}',
    ),
    words=(
        *(
            b'"created_at":',
            b'"0001-01-01T00:00:00Z"',
            b'"9999-12-31T23:59:59-23:59"',
            b'"created_by":',
            b'"\\ud800"',
        ),
        *(b"[" * 1100, b"null", b'"algorithm":', b"\x0a\x24\x0a\x20", b"\x12\x24", b"\x1a\x0c\x08", b"\x22\x40"),
        *(
            b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
            b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
            b"\x10\x01",
            b"\x10\x02",
        ),
    ),
)
