"""Key stores: names to opaque bytes.

Owns the interface and its three errors. Must not know what a key is, and must not cache.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable


class KeyExists(Exception):
    """`create` found the name taken, or `replace` found another value than expected."""


class KeyNotFound(Exception):
    """`get` or `delete` found no such name."""


class Unreachable(Exception):
    """The store cannot answer now (network, disk, permission); the text names cause and next step."""


class LoginRefused(Unreachable):
    """The store knows the way it is logged in to and refuses it. Trying again and again may lock it, for others too."""


@dataclass(frozen=True, slots=True)
class Page:
    """Up to `limit` names in sorted order; `continue_at` is the first name of the next page, "" at the end."""

    names: list[str]
    continue_at: str


@dataclass(frozen=True, slots=True)
class Status:
    """`latency` in seconds of one cheap call to the store."""

    latency: float


@runtime_checkable
class KeyStore(Protocol):
    """Thread-safe. Values are opaque and never empty. Every call ends by itself, within 15 s."""

    def create(self, name: str, value: bytes) -> None:
        """Atomic create-if-absent, durable on return. KeyExists, Unreachable."""

    def get(self, name: str) -> bytes:
        """The stored bytes. KeyNotFound, Unreachable."""

    def replace(self, name: str, old: bytes, new: bytes) -> None:
        """Atomic compare-and-set, durable on return. KeyNotFound, KeyExists (it is not `old` any more),
        Unreachable."""

    def delete(self, name: str) -> None:
        """KeyNotFound, Unreachable."""

    def list(self, prefix: str, limit: int, start: str = "") -> Page:
        """Names with `prefix`, sorted, from `start` on (inclusive). Unreachable."""

    def status(self) -> Status:
        """Of one cheap call that needs what `get` needs, so that it fails when `get` would. Unreachable."""

    def close(self) -> None:
        """Release what is held; calls after it raise Unreachable."""


@runtime_checkable
class HasToken(Protocol):
    """A store that logs in for a time, and renews it by itself."""

    def token_expires_in(self) -> float | None:
        """Seconds, from memory: asks nobody. Negative when it has expired; None while there is none that expires."""


def token_expires_in(store: KeyStore) -> float | None:
    """Of any store: None when its login does not expire."""
    return store.token_expires_in() if isinstance(store, HasToken) else None
