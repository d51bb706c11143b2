"""Items from many threads for one that takes many at a time.

A queue that wakes its reader for every item costs, with one interpreter for all, more than most items do: both want the
interpreter at the same moment. Here only a reader that sleeps is woken, and it waits a little for more before it looks.
Must not know what the items are.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Gathering(Generic[_T]):
    """`put` from any thread; all else from one. `pause`: seconds the reader lets pass after the first item; `enough`:
    so many items are not waited upon."""

    def __init__(self, pause: float, enough: int) -> None:
        self.items: deque[_T] = deque()
        self._pause = pause
        self._enough = enough
        self._idle = False
        self._wake = threading.Event()

    def put(self, item: _T) -> None:
        self.items.append(item)
        # In this order, and the reader's in the other one: either it sees the item, or it is seen to be idle.
        if self._idle:
            self._wake.set()

    def rouse(self) -> None:
        """Let the reader look, although there may be nothing."""
        self._wake.set()

    def wait(self, timeout: float | None = None) -> None:
        """Until there is something, it is roused, or so many seconds are over."""
        self._idle = True
        if not self.items:
            self._wake.wait(timeout)
            self._wake.clear()
        self._idle = False
        if 0 < len(self.items) < self._enough:
            time.sleep(self._pause)
