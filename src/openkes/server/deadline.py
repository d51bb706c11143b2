"""A bound on the time of one call, for what may hang: a key store on a dead disk or network.

A thread cannot be stopped from outside, so a call that is over time goes on by itself and its result is dropped.
How many of those there may be is bounded too; beyond it calls fail at once. Threads are kept for a while: a new one
costs more than the rest of most calls.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from openkes.errors import APIError, Code

_T = TypeVar("_T")
MAX_RUNNING = 256  # threads; far above the front's pool, reached only when a store hangs
IDLE = 30.0  # seconds until a thread without work ends


class _Call(Generic[_T]):
    """One call, and what became of it once `over` can be had."""

    __slots__ = ("_call", "failure", "over", "result")

    def __init__(self, call: Callable[[], _T]) -> None:
        self._call = call
        self.over = threading.Lock()
        self.over.acquire()
        self.result: list[_T] = []
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            self.result.append(self._call())
        except BaseException as error:
            self.failure = error


class Deadline:
    """Thread-safe."""

    def __init__(self) -> None:
        self._free = threading.Semaphore(MAX_RUNNING)
        self._idle: list[queue.SimpleQueue[_Call[Any]]] = []

    def run(self, call: Callable[[], _T], seconds: float) -> _T:
        """The call's result or exception; APIError TIMEOUT after `seconds`, or when too many calls hang."""
        if not self._free.acquire(blocking=False):
            raise APIError(Code.TIMEOUT)
        this = _Call(call)
        try:
            self._idle.pop().put(this)
        except IndexError:
            self._start(this)
        if not this.over.acquire(timeout=seconds):
            raise APIError(Code.TIMEOUT)
        if this.failure is None:
            return this.result[0]
        try:
            raise this.failure
        finally:
            del this  # with it, the error and what it is about would be a cycle

    def _start(self, call: _Call[Any]) -> None:
        try:
            threading.Thread(target=self._work, args=(call,), name="deadline", daemon=True).start()
        except RuntimeError:  # the system gives no more threads
            self._free.release()
            raise

    def _work(self, call: _Call[Any]) -> None:
        mine: queue.SimpleQueue[_Call[Any]] = queue.SimpleQueue()
        while True:
            call.run()
            self._free.release()
            self._idle.append(mine)
            call.over.release()
            del call  # what it was about must not stay in memory while nothing comes
            try:
                call = mine.get(timeout=IDLE)
            except queue.Empty:
                try:
                    self._idle.remove(mine)
                except ValueError:  # somebody has just taken this thread
                    call = mine.get()
                else:
                    return
