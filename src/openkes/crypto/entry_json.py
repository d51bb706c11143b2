"""The JSON form of entries, as old servers wrote them. Read only."""

from __future__ import annotations

import binascii
import json
from base64 import b64decode

from openkes.crypto import timestamp
from openkes.crypto.aead import BY_NAME, KEY_SIZE, Algorithm
from openkes.crypto.key import Key
from openkes.crypto.malformed import MalformedEntry


def decode_json(text: bytes) -> Key:
    """A key without an HMAC key. MalformedEntry."""
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
    if not isinstance(created_by, str) or not _has_utf8(created_by):
        raise MalformedEntry("its creator is not text")
    if len(raw) != KEY_SIZE:
        raise MalformedEntry(f"its key has {len(raw)} bytes, not {KEY_SIZE}")
    return Key(algorithm, raw, None, created_at, created_by)


def _has_utf8(text: str) -> bool:
    """False for half of a surrogate pair, which JSON can hold and no answer can."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
