"""The few messages of etcd's API v3 that are used here, as its JSON gateway takes and gives them.

Keys and values are base64, 64-bit numbers are text, and what is zero or false is left out. Source: etcd,
api/etcdserverpb/rpc.proto, and its page "gRPC gateway". Pure functions.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Any

RANGE = "/v3/kv/range"
TXN = "/v3/kv/txn"
AUTHENTICATE = "/v3/auth/authenticate"

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Stored:
    """`created` and `modified` are revisions: whoever deletes a key and creates it anew changes both."""

    value: bytes
    created: int
    modified: int


def read(key: bytes) -> Message:
    return {"key": _text(key)}


def names(start: bytes, end: bytes, limit: int) -> Message:
    """Keys from `start` on and before `end`, sorted by their bytes, without values."""
    return {"key": _text(start), "range_end": _text(end), "limit": limit, "keys_only": True}


def create(key: bytes, value: bytes) -> Message:
    """If there is no such key."""
    return _transaction(key, {"target": "CREATE", "create_revision": 0}, _put(key, value))


def replace(key: bytes, modified: int, value: bytes) -> Message:
    """If it was last changed in revision `modified`."""
    return _transaction(key, {"target": "MOD", "mod_revision": modified}, _put(key, value))


def delete(key: bytes, modified: int) -> Message:
    """If it was last changed in revision `modified`."""
    wanted = {"request_delete_range": {"key": _text(key)}}
    return _transaction(key, {"target": "MOD", "mod_revision": modified}, wanted)


def after_all(prefix: bytes) -> bytes:
    """The first key behind all with `prefix`, which ends with a byte of ASCII."""
    return prefix[:-1] + bytes([prefix[-1] + 1])


def stored_in(document: Message) -> Stored | None:
    """Of the answer to `read`."""
    for found in document.get("kvs", []):
        return Stored(b64decode(found.get("value", "")), int(found["create_revision"]), int(found["mod_revision"]))
    return None


def keys_in(document: Message) -> tuple[list[bytes], bool]:
    """Of the answer to `names`, and whether there are more."""
    return [b64decode(found["key"]) for found in document.get("kvs", [])], bool(document.get("more"))


def outcome(document: Message) -> tuple[bool, Stored | None]:
    """Of a transaction: whether it took effect, and what there is if it did not."""
    if document.get("succeeded"):
        return True, None
    return False, stored_in(document["responses"][0]["response_range"])


def _transaction(key: bytes, comparison: Message, wanted: Message) -> Message:
    return {
        "compare": [{"key": _text(key), "result": "EQUAL", **comparison}],
        "success": [wanted],
        "failure": [{"request_range": read(key)}],
    }


def _put(key: bytes, value: bytes) -> Message:
    return {"request_put": {"key": _text(key), "value": _text(value)}}


def _text(data: bytes) -> str:
    return b64encode(data).decode()
