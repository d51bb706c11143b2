"""Tries out a key store with a key of its own: whether every permission is there, before anybody needs it."""

from __future__ import annotations

import contextlib
import secrets

from openkes.keystore import KeyExists, KeyNotFound, KeyStore, Unreachable

PREFIX = "openkes-probe-"
#: What an operator grants, per call of the interface.
_NEEDS = {
    "list": "list names",
    "create": "create entries",
    "get": "read entries",
    "replace": "change entries, as rotations and deletions do",
    "delete": "delete entries",
}


class ProbeFailed(Exception):
    """The text names the permission that is missing and what the store said."""


def probe(store: KeyStore) -> None:
    """List, create, read, change and delete a key that nobody uses. ProbeFailed; what was made is removed."""
    name = PREFIX + secrets.token_hex(8)
    value = secrets.token_hex(16).encode()
    step = "list"
    try:
        store.list(PREFIX, 1)
        step = "create"
        store.create(name, value)
        step = "get"
        if store.get(name) != value:
            raise ProbeFailed(f"the store gave back another value than was stored under {name}")
        step = "replace"
        store.replace(name, value, value[::-1])
        step = "delete"
        store.delete(name)
    except KeyExists:
        raise ProbeFailed(f"the store does not keep the entry {name} as it was stored") from None
    except KeyNotFound:
        raise ProbeFailed(f"the store does not show the entry {name} that it has just stored") from None
    except Unreachable as error:
        raise ProbeFailed(f"cannot {_NEEDS[step]}: {error}") from error
    finally:
        if step in ("get", "replace"):
            with contextlib.suppress(KeyNotFound, Unreachable):
                store.delete(name)
