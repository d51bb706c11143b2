"""One call of a key store that is several requests: how long it may take in all, and what is asked again.

Owns the time and the pauses. Must not know what a request is, nor whether it may be sent twice: its caller does.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from openkes.keystore import Unreachable

LIMIT_SECONDS = 8.0  # with the 5 s that a last request may take, below the 15 s that a call may take
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 1.5
_T = TypeVar("_T")


class Passing(Unreachable):
    """It may pass by itself. `maybe_done`: the request may have been carried out."""

    def __init__(self, text: str, *, maybe_done: bool) -> None:
        super().__init__(text)
        self.maybe_done = maybe_done


class Attempts:
    """Of one call. `closed` ends every pause."""

    def __init__(self, closed: threading.Event, seconds: float | None = None) -> None:
        """`seconds` None: LIMIT_SECONDS."""
        self._closed = closed
        self._until = time.monotonic() + (LIMIT_SECONDS if seconds is None else seconds)
        self._next = FIRST_PAUSE

    @property
    def left(self) -> float:
        """Seconds, not below 0."""
        return max(0.0, self._until - time.monotonic())

    def pause(self, seconds: float | None = None) -> bool:
        """Wait for `seconds`, or longer each time, at random, so that those who collided do not again. False: there is
        no time left, or the store was closed."""
        if seconds is None:
            seconds = self._next * random.uniform(0.5, 1.0)  # noqa: S311 - a pause is no secret
            self._next = min(self._next * 2, LONGEST_PAUSE)
        if seconds >= self.left:
            return False
        return not self._closed.wait(seconds)

    def repeat(self, ask: Callable[[], _T]) -> _T:
        """Its answer; asked again while it fails in a way that may pass."""
        while True:
            try:
                return ask()
            except Passing:
                if not self.pause():
                    raise
