"""A key store around another one that holds every value sealed.

Owns the rule that a plain value is never taken for a sealed one. Must not know where the key comes from.
A value that cannot be unsealed raises MalformedEntry, beside the errors of `KeyStore`: as for every other entry
that cannot be read, the name stays taken and the other keys are not affected.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from openkes.crypto.malformed import MalformedEntry
from openkes.crypto.sealing import NONCE_SIZE, CannotUnseal, is_sealed, seal, unseal
from openkes.keystore import KeyExists, KeyStore, Page, Status, token_expires_in

PURPOSE = "entry"


class SealedStore:
    """Implements `KeyStore`. `key` is 32 bytes; `random(n)` gives n random bytes."""

    def __init__(self, store: KeyStore, key: bytes, random: Callable[[int], bytes] = os.urandom) -> None:
        self._store = store
        self._key = key
        self._random = random

    def create(self, name: str, value: bytes) -> None:
        self._store.create(name, self._sealed(name, value))

    def get(self, name: str) -> bytes:
        """MalformedEntry when it is not sealed, or not with this key under this name."""
        return self._unsealed(name, self._store.get(name))

    def replace(self, name: str, old: bytes, new: bytes) -> None:
        """Also MalformedEntry, as `get`: what cannot be read is not replaced."""
        found = self._store.get(name)
        if self._unsealed(name, found) != old:
            raise KeyExists(name)
        # Sealed values never repeat, so the inner comparison sees every change since.
        self._store.replace(name, found, self._sealed(name, new))

    def delete(self, name: str) -> None:
        self._store.delete(name)

    def list(self, prefix: str, limit: int, start: str = "") -> Page:
        return self._store.list(prefix, limit, start)

    def status(self) -> Status:
        return self._store.status()

    def close(self) -> None:
        self._store.close()

    def token_expires_in(self) -> float | None:
        return token_expires_in(self._store)

    def _sealed(self, name: str, value: bytes) -> bytes:
        return seal(self._key, value, name, PURPOSE, self._random(NONCE_SIZE))

    def _unsealed(self, name: str, value: bytes) -> bytes:
        if not is_sealed(value):
            raise MalformedEntry(
                "it is not sealed, and this store is (keystore.fs.seal): a plain entry is not trusted here; "
                "to convert a store of plain entries use 'kes migrate' into a new, sealed folder"
            )
        try:
            return unseal(self._key, value, name, PURPOSE)
        except CannotUnseal as error:
            raise MalformedEntry(f"it cannot be unsealed: {error}") from None
