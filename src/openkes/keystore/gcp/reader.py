"""Finds the current version of a secret, by reading versions one after the other.

Owns the order in which they are read, and where that goes on from the last time. Must not write.
"""

from __future__ import annotations

import contextlib
import hashlib

from openkes.keystore import KeyNotFound, Unreachable
from openkes.keystore.attempts import Attempts
from openkes.keystore.gcp import chain
from openkes.keystore.gcp.chain import FIRST, Current
from openkes.keystore.gcp.client import Client
from openkes.keystore.gcp.failures import Absent, Changed


class Reader:
    """Thread-safe."""

    def __init__(self, client: Client) -> None:
        self._client = client
        # Where the current version was found: versions do not change, so that looking goes on from there.
        self._seen: dict[str, tuple[Current, bytes]] = {}

    def access(self, name: str, number: int, attempts: Attempts) -> bytes:
        """Absent, Unreachable."""
        try:
            return attempts.repeat(lambda: self._client.access(name, number))
        except Changed:
            raise Unreachable(
                f"{self._client}: version {number} of secret {name} is disabled or destroyed: enable it with"
                f" `gcloud secrets versions enable {number} --secret={name}`; of what is destroyed a backup is needed"
            ) from None

    def current(self, name: str, attempts: Attempts) -> Current:
        """KeyNotFound, Unreachable."""
        found = self._known(name, attempts)
        if found is None:
            try:
                found = Current(FIRST, self.access(name, FIRST, attempts), FIRST)
            except Absent:
                raise KeyNotFound(name) from None
        with contextlib.suppress(Absent):
            while True:
                found = chain.step(found, self.access(name, found.last + 1, attempts))
        if found.number > FIRST:
            self._seen[name] = Current(found.number, b"", found.last), hashlib.sha256(found.value).digest()
        return found

    def after(self, name: str, current: Current, number: int, attempts: Attempts) -> bytes | None:
        """What the version has that comes after `current`, at `number` at the latest if that is not 0. None: there is
        no such version. Unreachable."""
        at = current.last + 1
        while True:
            try:
                data = self.access(name, at, attempts)
            except Absent:
                if at > number:
                    return None
                # One of a lower number than ours is on its way.
                if not attempts.pause():
                    raise self.unknown(name) from None
                continue
            if chain.comes_after(data)[0] == current.number:
                return data
            at += 1

    def forget(self, name: str) -> None:
        """The secret is gone."""
        self._seen.pop(name, None)

    def unknown(self, name: str) -> Unreachable:
        return Unreachable(
            f"{self._client}: nobody knows whether the change of {name} took effect; look at the key, then try again"
        )

    def _known(self, name: str, attempts: Attempts) -> Current | None:
        """The version that was the current one when it was looked for last, unless the secret is another one now."""
        if name not in self._seen:
            return None
        seen, digest = self._seen[name]
        with contextlib.suppress(Absent):
            _, value = chain.comes_after(self.access(name, seen.number, attempts))
            if hashlib.sha256(value).digest() == digest:
                return Current(seen.number, value, seen.last)
        self._seen.pop(name, None)
        return None
