"""Calls that may hang, each on a thread of its own, so that whoever waits can be let go.

Owns how long one waits, how many wait at once, and that nobody waits while all are refused. A call that was given up
may still be carried out: its caller was told that nobody knows. Must not know what the calls do.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from openkes.keystore import Unreachable
from openkes.keystore.workers import Workers

_T = TypeVar("_T")
#: Calls under way at once. Three quarters of the threads that answer requests: the others are left for what needs no
#: store.
MOST_CALLS = 12
#: Calls that were given up and have not ended: each holds a thread. A store ends its calls by itself; a dead disk does
#: not.
MOST_LOST = 64


class Call(Generic[_T]):
    """A call on its way. The first outcome counts: what comes of one that was given up is dropped."""

    __slots__ = ("_lock", "begun", "done", "error", "result")

    def __init__(self) -> None:
        self.begun = time.monotonic()
        self.done = threading.Event()
        self._lock = threading.Lock()
        self.result: _T | None = None
        self.error: BaseException | None = None

    def run(self, work: Callable[[], _T]) -> None:
        """Raises nothing: the outcome is the call's."""
        try:
            result = work()
        except BaseException as error:
            self.end(None, error)
        else:
            self.end(result)

    def end(self, result: _T | None = None, error: BaseException | None = None) -> None:
        with self._lock:
            if not self.done.is_set():
                self.result, self.error = result, error
                self.done.set()

    def outcome(self) -> _T:
        """Of one that is done."""
        if self.error is not None:
            raise self.error
        return self.result  # type: ignore[return-value]


class Calls:
    """Thread-safe. `patience`: seconds after which a call looks as if it hung, `limit`: after which it is given up.
    `suspect` hears of calls that seem to hang or were Unreachable."""

    def __init__(self, workers: Workers, patience: float, limit: float, suspect: Callable[[], None]) -> None:
        self._workers = workers
        self._patience = patience
        self._limit = limit
        self._suspect = suspect
        self._room = threading.Condition()
        self._waited_for: set[Call[Any]] = set()
        self._running = 0  # those that were given up included
        self._refused = ""  # why

    def run(self, work: Callable[[], _T]) -> _T:
        """The outcome of `work`. Unreachable also when it takes too long, or all are refused."""
        with self._room:
            self._enter()
            call: Call[_T] = Call()
            self._waited_for.add(call)
            self._running += 1
        self._workers.start(lambda: self._work(call, work))
        if not call.done.wait(self._patience):
            self._suspect()
            if not call.done.wait(self._limit - self._patience):
                call.end(error=Unreachable(f"the key store has not answered a call for {self._limit:g} s"))
        self._leave(call)
        return call.outcome()

    def refuse(self, why: str) -> None:
        """Whoever waits gets an answer now, and so does everybody from now on."""
        with self._room:
            self._refused = why
            for call in self._waited_for:
                call.end(error=Unreachable(why))
            self._room.notify_all()

    def admit(self) -> None:
        """No more `refuse`."""
        with self._room:
            self._refused = ""

    def check(self) -> None:
        """Unreachable while all are refused."""
        if why := self._refused:
            raise Unreachable(why)

    def _work(self, call: Call[_T], work: Callable[[], _T]) -> None:
        failed = False

        def noted() -> _T:
            nonlocal failed
            try:
                return work()
            except Unreachable:
                failed = True
                raise

        call.run(noted)
        with self._room:
            self._running -= 1
        if failed:
            self._suspect()

    def _enter(self) -> None:
        """When there is room. Not where calls hang: then there will not be any."""
        self.check()
        lost = self._running - len(self._waited_for)
        if lost >= MOST_LOST:
            raise Unreachable(f"{lost} calls to the key store have never ended")
        end = time.monotonic() + self._patience
        while len(self._waited_for) >= MOST_CALLS:
            now = time.monotonic()
            if now >= end or any(now - call.begun > self._patience for call in self._waited_for):
                raise Unreachable(f"the key store is slow: {len(self._waited_for)} calls wait for it")
            self._room.wait(end - now)
            self.check()

    def _leave(self, call: Call[_T]) -> None:
        with self._room:
            self._waited_for.discard(call)
            self._room.notify()
