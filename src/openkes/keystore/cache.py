"""Keys in memory, parsed, in front of a key store.

Owns how long a key may be served without asking the store, and one fetch per key at a time: who wants the same key
meanwhile waits for it and shares what it brings, its failure too. A key enters only by being read from the store.
Must not know policies, HTTP, how keys come and go (`lifecycle` does), nor how one finds out that the store is away.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from openkes.crypto import entry
from openkes.crypto.entry import Key
from openkes.keystore import KeyNotFound, KeyStore, Unreachable
from openkes.keystore.turns import Turns

#: Seconds. What does not open is tried again with the key as the store has it now, and the store is asked so often at
#: most: a bound on what bad ciphertexts can cost.
PACE = 0.02
#: Of `any`, after which a key in use is fetched in the background: nobody waits for a slow store.
AHEAD = 0.9
#: Seconds from a failed fetch to the next one of the same key, while the key in memory will do.
RETRY = 2.0
#: Keys that are fetched in the background at once; the others have their turn when they are used again.
MOST_BACKGROUND = 8
#: Seconds. A failure that is older says nothing of now: who needs the key waits for a fetch.
FAILING = 30.0


@dataclass(frozen=True, slots=True)
class Expiry:
    """Seconds. `any`: how long a key is served without asking the store again. `unused`: how long a key that nobody
    uses stays. `offline`: how long keys are served, beyond that, while the store is unreachable."""

    any: float = 300.0
    unused: float = 30.0
    offline: float = 0.0


@dataclass(slots=True)
class _Cached:
    """`failed`: when the last fetch failed, None when it did not. `ahead`: the fetch before its time has begun. Times
    as of the cache's clock."""

    key: Key
    fetched: float
    used: float
    failed: float | None = None
    ahead: bool = False


class _Fetch:
    """One reading of a key, and all who wait for it. `begin`: when the store was asked."""

    __slots__ = ("begin", "done", "error", "key")

    def __init__(self) -> None:
        self.begin = math.inf
        self.done = threading.Event()
        self.key: Key | None = None
        self.error: BaseException | None = None

    def result(self) -> Key:
        self.done.wait()
        if self.key is None:
            raise self.error or RuntimeError("a fetch ended without a result")
        return self.key


class KeyCache:
    """Thread-safe. `clock` is monotonic seconds."""

    def __init__(
        self, store: KeyStore, expiry: Expiry | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.store = store
        self.away = False
        #: Told of every key that was read from the store, in its turn; None: there is no such entry.
        self.seen: Callable[[str, Key | None], None] = lambda name, key: None
        self._clock = clock
        self._cached: dict[str, _Cached] = {}
        self._fetches: dict[str, _Fetch] = {}
        self._lock = threading.Lock()  # of `_fetches` and `_background`; never held while the store is asked
        self._background = 0
        self._turns = Turns()
        self._swept = clock()
        self.expiry = expiry or Expiry()
        self.hits = 0
        self.misses = 0

    @property
    def size(self) -> int:
        """How many keys are in memory."""
        return len(self._cached)

    @property
    def expiry(self) -> Expiry:
        return self._expiry

    @expiry.setter
    def expiry(self, expiry: Expiry) -> None:
        self._expiry = expiry
        self._set_limits()

    def store_away(self, away: bool) -> None:
        """Whether the store is known to be unreachable. While it is, `offline` counts and nobody waits for a fetch."""
        self.away = away
        self._set_limits()
        if not away:
            for cached in list(self._cached.values()):
                cached.failed = None

    def _set_limits(self) -> None:
        """What `peek` compares with, so that it has nothing to compute."""
        self._any = self._expiry.any + (self._expiry.offline if self.away else 0.0)
        self._unused = math.inf if self.away else self._expiry.unused
        self._ahead = math.inf if self.away else self._expiry.any * AHEAD

    def peek(self, name: str) -> Key | None:
        """The key if it may be served from memory. Never blocks on the store."""
        cached = self._cached.get(name)
        if cached is None:
            return None
        now = self._clock()
        age = now - cached.fetched
        if age > self._any or now - cached.used > self._unused:
            return None
        cached.used = now
        if age > self._ahead and not cached.ahead:
            cached.ahead = self._fetch_in_background(name, ahead=True)
        self.hits += 1
        return cached.key

    def get(self, name: str) -> Key:
        """From memory or from the store. KeyNotFound (also while its deletion waits), Unreachable, MalformedEntry."""
        key = self.peek(name)
        if key is not None:
            return key
        self.misses += 1  # counted for the metrics; a rare lost addition between threads does no harm
        cached = self._spare(name)
        if cached is not None and cached.failed is not None:
            since = self._clock() - cached.failed
            if since < FAILING:
                # The store fails for this key: whoever waited for it again would wait for its time-out.
                if since >= RETRY:
                    self._fetch_in_background(name)
                return self._used(cached)
        try:
            return self._fetched(name)
        except Unreachable:
            cached = self._spare(name)
            if cached is None:
                raise
            cached.failed = self._clock()
            return self._used(cached)

    def _spare(self, name: str) -> _Cached | None:
        """What will do while the store is unreachable."""
        cached = self._cached.get(name)
        if cached is None or self._clock() - cached.fetched > self._expiry.any + self._expiry.offline:
            return None
        return cached

    def _used(self, cached: _Cached) -> Key:
        cached.used = self._clock()
        return cached.key

    def newer(self, name: str, than: Key) -> Key | None:
        """The key if the store has another one by now, as when another server rotated it. Waits for an answer of the
        store to a question asked from now on. KeyNotFound, Unreachable (nobody can say now), MalformedEntry."""
        key = self._fetched(name, self._clock())
        return None if key == than else key

    def turn(self, name: str) -> AbstractContextManager[None]:
        """Held by whoever fetches or changes the key."""
        return self._turns.of(name)

    def _fetched(self, name: str, since: float | None = None) -> Key:
        """What one shared fetch brings; with `since`, one for which the store was not asked before that."""
        asked = self._clock()
        while True:
            with self._lock:
                fetch = self._fetches.get(name)
                mine = fetch is None
                if fetch is None:
                    # A fetch leaves only after its key is in memory: who comes a moment late finds it there.
                    key = self.peek(name) if since is None else None
                    if key is not None:
                        return key
                    fetch = self._fetches[name] = _Fetch()
            if mine:
                if since is not None:
                    self._keep_pace(name)
                self._run(name, fetch)
            try:
                key = fetch.result()
            except KeyNotFound:
                if fetch.begin >= asked:
                    raise
                continue  # it may have been made since, by another server
            if since is None or fetch.begin >= since:
                return key

    def _keep_pace(self, name: str) -> None:
        cached = self._cached.get(name)
        if cached is not None and (wait := cached.fetched + PACE - self._clock()) > 0:
            time.sleep(wait)

    def _fetch_in_background(self, name: str, ahead: bool = False) -> bool:
        """Whether one has begun. One `ahead` of its time leaves no mark when it fails: another comes in time."""
        # Never waited for: `peek` comes here, at times with the lock held by its own thread.
        if not self._lock.acquire(blocking=False):
            return False
        try:
            if name in self._fetches or self._background >= MOST_BACKGROUND:
                return False
            fetch = self._fetches[name] = _Fetch()
            self._background += 1
        finally:
            self._lock.release()

        def work() -> None:
            self._run(name, fetch)
            with self._lock:
                self._background -= 1
            cached = self._cached.get(name)
            if cached is not None and isinstance(fetch.error, Unreachable) and not ahead:
                cached.failed = self._clock()

        threading.Thread(target=work, name="fetch", daemon=True).start()
        return True

    def _run(self, name: str, fetch: _Fetch) -> None:
        """Raises nothing: the outcome is the fetch's."""
        try:
            with self.turn(name):
                fetch.begin = self._clock()
                fetch.key = self._read(name)
        except BaseException as error:
            fetch.error = error
        finally:
            with self._lock:
                del self._fetches[name]
            fetch.done.set()

    def _read(self, name: str) -> Key:
        """From the store, in the caller's turn; what was read is served from now on."""
        begin = self._clock()
        key = self._look_up(name)
        if key.deleted_at is not None:
            raise KeyNotFound(name)
        self.serve(name, key, begin)
        return key

    def look_up(self, name: str) -> Key:
        """The entry as the store has it, a deleted one too, for those who do not use it. It is not served unless it was
        before. KeyNotFound, Unreachable, MalformedEntry."""
        with self.turn(name):
            begin = self._clock()
            key = self._look_up(name)
            cached = self._cached.get(name)
            if cached is not None:
                self._cached[name] = _Cached(key, begin, cached.used)
            return key

    def _look_up(self, name: str) -> Key:
        """In the caller's turn."""
        try:
            value = self.store.get(name)
        except KeyNotFound:
            self.forget(name)
            self.seen(name, None)
            raise
        key = entry.decode(value, name)
        if key.deleted_at is not None:
            self.forget(name)
        self.seen(name, key)
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
        expiry = self._expiry
        if now - self._swept < expiry.unused:
            return
        self._swept = now
        keep = expiry.offline + expiry.any
        for name, cached in list(self._cached.items()):
            unused = now - cached.used > max(expiry.unused, expiry.offline)
            if unused or now - cached.fetched > keep:
                self._cached.pop(name, None)
