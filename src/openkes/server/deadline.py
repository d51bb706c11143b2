"""A bound on the time of one call, for what may hang: a key store on a dead disk or network.

A thread cannot be stopped from outside, so a call that is over time goes on by itself and its result is dropped.
How many of those there may be is bounded too; beyond it calls fail at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from openkes.errors import APIError, Code

_T = TypeVar("_T")
MAX_RUNNING = 256  # threads; far above the front's pool, reached only when a store hangs


class Deadline:
    """Thread-safe."""

    def __init__(self) -> None:
        self._free = threading.Semaphore(MAX_RUNNING)

    def run(self, call: Callable[[], _T], seconds: float) -> _T:
        """The call's result or exception; APIError TIMEOUT after `seconds`, or when too many calls hang."""
        if not self._free.acquire(blocking=False):
            raise APIError(Code.TIMEOUT)
        result: list[_T] = []
        failure: list[BaseException] = []

        def work() -> None:
            try:
                result.append(call())
            except BaseException as error:
                failure.append(error)
            finally:
                self._free.release()

        thread = threading.Thread(target=work, name="deadline", daemon=True)
        thread.start()
        thread.join(seconds)
        if failure:
            raise failure[0]
        if not result:
            raise APIError(Code.TIMEOUT)
        return result[0]
