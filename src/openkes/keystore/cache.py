"""Keys in memory, parsed, in front of a key store.

Owns how long a key may be served without asking the store, and one fetch per key at a time. A key enters only by
being read from the store. Must not know policies, HTTP, or how keys come and go (`lifecycle` does).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from openkes.crypto import entry
from openkes.crypto.entry import Key
from openkes.keystore import KeyNotFound, KeyStore, Unreachable

#: Seconds. What does not open is tried again with the store's key if memory is older: a bound on what bad ciphertexts
#: can cost the store.
FRESH = 0.1


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


class KeyCache:
    """Thread-safe. `clock` is monotonic seconds."""

    def __init__(
        self, store: KeyStore, expiry: Expiry | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.store = store
        self.expiry = expiry or Expiry()
        self._clock = clock
        self._cached: dict[str, _Cached] = {}
        # One turn per name (a few names share one): a fetch never overlaps another or a change of the same key.
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
        """From memory or from the store. KeyNotFound (also while its deletion waits), Unreachable, MalformedEntry."""
        key = self.peek(name)
        if key is not None:
            return key
        self.misses += 1  # counted for the metrics; a rare lost addition between threads does no harm
        with self.turn(name):
            # Whoever waited for the turn finds what the one before has fetched.
            return self.peek(name) or self.fetch(name)

    def is_fresh(self, name: str) -> bool:
        """Whether memory holds what the store had a moment ago."""
        cached = self._cached.get(name)
        return cached is not None and self._clock() - cached.fetched < FRESH

    def newer(self, name: str, than: Key) -> Key | None:
        """The key if the store has another one by now, as when another server rotated it. The store is asked once in
        `FRESH` seconds at most. KeyNotFound, Unreachable, MalformedEntry."""
        with self.turn(name):
            cached = self._cached.get(name)
            key = cached.key if cached is not None and self.is_fresh(name) else self.fetch(name)
        return None if key == than else key

    def turn(self, name: str) -> threading.Lock:
        """Held by whoever fetches or changes the key."""
        return self._turns[hash(name) % len(self._turns)]

    def fetch(self, name: str) -> Key:
        """From the store, in the caller's turn; what was read is served from now on."""
        begin = self._clock()
        try:
            key = entry.decode(self.store.get(name), name)
            if key.deleted_at is not None:
                raise KeyNotFound(name)
        except KeyNotFound:
            self.forget(name)
            raise
        except Unreachable:
            cached = self._cached.get(name)
            if cached is None or begin - cached.fetched > self.expiry.any + self.expiry.offline:
                raise
            cached.used = begin
            return cached.key
        self.serve(name, key, begin)
        return key

    def serve(self, name: str, key: Key, begin: float | None = None) -> None:
        """From memory from now on: `key` was just read from the store, in the caller's turn, at `begin` or later."""
        begin = self._clock() if begin is None else begin
        self._sweep(begin)
        self._cached[name] = _Cached(key, begin, begin)

    def forget(self, name: str) -> None:
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
