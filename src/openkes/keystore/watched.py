"""A key store around another one that knows whether that one answers, and lets nobody wait for one that does not.

Owns: `away` or not, found out by asking for the status, one status call at a time for all who ask. While the store is
away every call fails at once, and the store is asked every few seconds until it answers.
Must not know keys or caches; they are told by `listen`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from openkes.keystore import KeyStore, Page, Status, Unreachable, token_expires_in
from openkes.keystore.bounded import Call, Calls
from openkes.keystore.workers import Workers

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds."""

    patience: float = 3.0  # a healthy store takes milliseconds, one across the world half a second
    interval: float = 2.0  # between status calls while it is away: the way back is to be found within 10 s
    blip: float = 0.5  # from a first failure to the status call that decides: a name server may hiccup
    heartbeat: float = 10.0  # between status calls while all is well; stores that charge for calls take few
    limit: float = 12.0  # of one call, whatever the status says; below the 15 s of a route, to name the cause


#: Status calls under way at once. One that hangs in a dead connection must not keep another from finding the way back;
#: at one in 2 s these cover 16 s, the longest that a store may take to give up by itself.
MOST_PROBES = 8


class WatchedStore:
    """Implements `KeyStore`. Watches from `start` to `close`."""

    def __init__(self, store: KeyStore, timing: Timing | None = None) -> None:
        self._store = store
        self._timing = timing = timing or Timing()
        self._workers = Workers("keystore")
        self._calls = Calls(self._workers, timing.patience, timing.limit, self._suspect)
        self._state = threading.Condition()
        self._probe: Call[Status] | None = None  # the last one begun
        self._probing = 0
        self._failing_since: float | None = None  # of status calls
        self._away = ""  # why
        self._away_since = 0.0
        self._suspected = False
        self._closed = False
        self._listeners: list[Callable[[bool], None]] = []
        self._thread = threading.Thread(target=self._watch, name="keystore-watch", daemon=True)

    @property
    def away(self) -> str:
        """Why the store cannot be reached; "" while it can."""
        return self._away

    def listen(self, listener: Callable[[bool], None]) -> None:
        """Called with True when the store is away and with False when it is back; must return at once."""
        self._listeners.append(listener)

    def start(self) -> None:
        self._thread.start()

    def create(self, name: str, value: bytes) -> None:
        self._calls.run(lambda: self._store.create(name, value))

    def get(self, name: str) -> bytes:
        return self._calls.run(lambda: self._store.get(name))

    def replace(self, name: str, old: bytes, new: bytes) -> None:
        self._calls.run(lambda: self._store.replace(name, old, new))

    def delete(self, name: str) -> None:
        self._calls.run(lambda: self._store.delete(name))

    def list(self, prefix: str, limit: int, start: str = "") -> Page:
        return self._calls.run(lambda: self._store.list(prefix, limit, start))

    def status(self) -> Status:
        """Of a call made now, or on its way already."""
        with self._state:
            self._calls.check()
            probe = self._probe
            if probe is None or probe.done.is_set():
                probe = self._begin_probe()
        self._wait(probe)
        if not probe.done.is_set():
            raise Unreachable(f"the key store has not answered for {self._timing.patience:g} s")
        return probe.outcome()

    def token_expires_in(self) -> float | None:
        return token_expires_in(self._store)

    def close(self) -> None:
        with self._state:
            self._closed = True
            self._calls.refuse("the key store is closed")
            self._state.notify_all()
        closed = threading.Event()

        def close() -> None:
            try:
                self._store.close()
            finally:
                closed.set()

        self._workers.start(close)
        closed.wait(self._timing.patience)
        self._workers.close()

    def _suspect(self) -> None:
        """Something failed: ask for the status soon."""
        with self._state:
            self._suspected = True
            self._state.notify_all()

    def _watch(self) -> None:
        while True:
            begun = time.monotonic()
            probe = None
            with self._state:
                if self._closed:
                    return
                self._suspected = False
                if self._probing < MOST_PROBES:
                    probe = self._begin_probe()
            if probe is not None:
                self._wait(probe)
            with self._state:
                timing = self._timing
                failing = self._failing_since is not None
                pause = timing.blip if failing and not self._away else timing.interval
                self._state.wait_for(lambda: self._closed, begun + pause - time.monotonic())
                if not self._away and self._failing_since is None:
                    rest = begun + timing.heartbeat - time.monotonic()
                    self._state.wait_for(lambda: self._closed or self._suspected, rest)

    def _begin_probe(self) -> Call[Status]:
        probe = self._probe = Call[Status]()
        self._probing += 1
        self._workers.start(lambda: self._run_probe(probe))
        return probe

    def _run_probe(self, probe: Call[Status]) -> None:
        probe.run(self._ask)
        with self._state:
            self._probing -= 1
            if probe.error is None:
                self._back()
            elif probe is self._probe:  # an older one was given up: it says nothing of now
                self._failed(str(probe.error))

    def _ask(self) -> Status:
        """Unreachable, and nothing else: a defect of a back end must not end the watch."""
        try:
            return self._store.status()
        except Unreachable:
            raise
        except Exception:
            _log.exception("the key store's status call failed in a way that is not foreseen")
            raise Unreachable("its status call fails; the server's log has a traceback") from None

    def _wait(self, probe: Call[Status]) -> None:
        """Until it is done, or has taken too long: then the store is away."""
        timing = self._timing
        if probe.done.wait(probe.begun + timing.patience - time.monotonic()):
            return
        with self._state:
            if not probe.done.is_set() and probe is self._probe:
                self._gone(f"it has not answered for {timing.patience:g} s")

    def _failed(self, why: str) -> None:
        """Away from the second failure on, unless that came at once: whoever asks may ask twice a millisecond."""
        now = time.monotonic()
        if self._failing_since is None:
            self._failing_since = now
            self._suspected = True
            self._state.notify_all()
        elif now - self._failing_since > self._timing.blip / 2:
            self._gone(why)

    def _gone(self, why: str) -> None:
        if self._away or self._closed:
            return
        self._calls.refuse(f"the key store is away: {why}")
        self._tell(away=True)
        self._away, self._away_since = why, time.monotonic()
        self._suspected = True  # from now on the watch asks, whoever found out
        self._state.notify_all()
        _log.error("the key store is away: %s; it is asked again every %g s", why, self._timing.interval)

    def _back(self) -> None:
        self._failing_since = None
        if not self._away or self._closed:
            return
        self._calls.admit()
        self._tell(away=False)
        self._away = ""
        _log.warning("the key store is back after %.0f s", time.monotonic() - self._away_since)

    def _tell(self, *, away: bool) -> None:
        for listener in self._listeners:
            listener(away)
