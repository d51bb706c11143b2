"""A bound on the time of one call, for what may hang: a key store on a dead disk or network.

A thread cannot be stopped from outside, so a call that is over time goes on by itself and its result is dropped.
How many of those there may be is bounded too; beyond it calls fail at once. Threads are kept for a while: a new one
costs more than the rest of most calls.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from openkes.errors import APIError, Code
from openkes.keystore.workers import Workers

_T = TypeVar("_T")
MAX_RUNNING = 256  # threads; far above the front's pool, reached only when a store hangs


class _Call(Generic[_T]):
    """One call, and what became of it once `over` can be had."""

    __slots__ = ("_call", "_ended", "failure", "over", "result")

    def __init__(self, call: Callable[[], _T], ended: Callable[[], None]) -> None:
        self._call = call
        self._ended = ended
        self.over = threading.Lock()
        self.over.acquire()
        self.result: list[_T] = []
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            self.result.append(self._call())
        except BaseException as error:
            self.failure = error
        self._ended()


class Deadline:
    """Thread-safe."""

    def __init__(self) -> None:
        self._free = threading.Semaphore(MAX_RUNNING)
        self._workers = Workers("deadline")

    def run(self, call: Callable[[], _T], seconds: float) -> _T:
        """The call's result or exception; APIError TIMEOUT after `seconds`, or when too many calls hang."""
        if not self._free.acquire(blocking=False):
            raise APIError(Code.TIMEOUT)
        this = _Call(call, self._free.release)
        try:
            self._workers.start(this.run, this.over.release)
        except RuntimeError:  # the system gives no more threads
            self._free.release()
            raise
        if not this.over.acquire(timeout=seconds):
            raise APIError(Code.TIMEOUT)
        if this.failure is None:
            return this.result[0]
        try:
            raise this.failure
        finally:
            del this  # with it, the error and what it is about would be a cycle
