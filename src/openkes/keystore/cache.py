"""Keys in memory, parsed, in front of a key store.

Owns how long a key may be served without asking the store, one fetch per key at a time, and creation: a key is
cached only after it was stored and read back. Must not know policies or HTTP.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from openkes.crypto import entry
from openkes.crypto.entry import Key
from openkes.keystore import KeyNotFound, KeyStore, Unreachable


@dataclass(frozen=True, slots=True)
class Expiry:
    """Seconds. `any`: how long a key is served without asking the store again. `unused`: how long a key that nobody
    uses stays. `offline`: how long keys are served, beyond that, while the store is unreachable."""

    any: float = 300.0
    unused: float = 30.0
    offline: float = 0.0


@dataclass(slots=True)
class _Cached:
    key: Key
    fetched: float
    used: float


class NotReadBack(Exception):
    """The store acknowledged a new entry and then gave back something else."""


class KeyCache:
    """Thread-safe. `clock` is monotonic seconds."""

    def __init__(
        self, store: KeyStore, expiry: Expiry | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.store = store
        self.expiry = expiry or Expiry()
        self._clock = clock
        self._cached: dict[str, _Cached] = {}
        # One turn per name (a few names share one): a fetch never overlaps another or a delete of the same key.
        self._turns = [threading.Lock() for _ in range(256)]
        self._swept = clock()
        self.hits = 0
        self.misses = 0

    @property
    def size(self) -> int:
        """How many keys are in memory."""
        return len(self._cached)

    def peek(self, name: str) -> Key | None:
        """The key if it may be served from memory. Never blocks on the store."""
        cached = self._cached.get(name)
        if cached is None:
            return None
        now = self._clock()
        if now - cached.fetched > self.expiry.any or now - cached.used > self.expiry.unused:
            return None
        cached.used = now
        self.hits += 1
        return cached.key

    def get(self, name: str) -> Key:
        """From memory or from the store. KeyNotFound, Unreachable, MalformedEntry."""
        key = self.peek(name)
        if key is not None:
            return key
        self.misses += 1  # counted for the metrics; a rare lost addition between threads does no harm
        with self._turn(name):
            # Whoever waited for the turn finds what the one before has fetched.
            return self.peek(name) or self._fetch(name)

    def _turn(self, name: str) -> threading.Lock:
        return self._turns[hash(name) % len(self._turns)]

    def _fetch(self, name: str) -> Key:
        begin = self._clock()
        try:
            key = entry.decode(self.store.get(name))
        except KeyNotFound:
            self._cached.pop(name, None)
            raise
        except Unreachable:
            cached = self._cached.get(name)
            if cached is None or begin - cached.fetched > self.expiry.any + self.expiry.offline:
                raise
            cached.used = begin
            return cached.key
        self._sweep(begin)
        self._cached[name] = _Cached(key, begin, begin)
        return key

    def create(self, name: str, key: Key) -> None:
        """Store, then read back, then serve. KeyExists, Unreachable, NotReadBack."""
        with self._turn(name):
            self.store.create(name, entry.encode(key))
            if self._fetch(name) != key:
                self._cached.pop(name, None)
                raise NotReadBack(name)

    def delete(self, name: str) -> None:
        """KeyNotFound, Unreachable."""
        with self._turn(name):
            try:
                self.store.delete(name)
            finally:
                self._cached.pop(name, None)

    def clear(self) -> None:
        """Forget everything: after a change of the store behind it."""
        self._cached.clear()

    def _sweep(self, now: float) -> None:
        """Forget what can no longer be served, so that memory follows use."""
        if now - self._swept < self.expiry.unused:
            return
        self._swept = now
        keep = self.expiry.offline + self.expiry.any
        for name, cached in list(self._cached.items()):
            unused = now - cached.used > max(self.expiry.unused, self.expiry.offline)
            if unused or now - cached.fetched > keep:
                self._cached.pop(name, None)
