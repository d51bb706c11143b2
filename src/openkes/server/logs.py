"""Log streams: lines, as they come, to everybody who listens.

A listener that does not read loses lines, counted; it never holds up who writes.
"""

from __future__ import annotations

import logging
import threading
import time

from openkes.server import wire
from openkes.server.gathering import Gathering

BACKLOG = 4096  # lines kept for a slow listener: about a second of full load
CHUNK = 256  # lines in one piece, some 100 KB
GATHER = 0.01  # seconds, in which lines come together: nobody sees the difference


class Subscription:
    """An endless iterator of pieces, each of whole JSON lines. `close`, from whatever thread, ends it."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._lines: Gathering[bytes] = Gathering(GATHER, CHUNK)
        self._closed = False
        self._end: float | None = None
        self.lost = 0

    def end_after(self, seconds: float) -> None:
        """For a route with a time limit: the stream ends then, after a whole line."""
        self._end = time.monotonic() + seconds

    def __iter__(self) -> Subscription:
        return self

    def __next__(self) -> bytes:
        while not self._closed:
            left = None if self._end is None else self._end - time.monotonic()
            if left is not None and left <= 0:
                self.close()
                break
            self._lines.wait(left)
            lines = self._lines.items
            if lines and not self._closed:
                return b"".join(lines.popleft() for _ in range(min(len(lines), CHUNK)))
        raise StopIteration

    def offer(self, line: bytes) -> None:
        if len(self._lines.items) < BACKLOG:
            self._lines.put(line)
        else:
            self.lost += 1

    def close(self) -> None:
        self._closed = True
        self._hub.leave(self)
        self._lines.rouse()


class Hub:
    """Publishers on one side, subscriptions on the other. Thread-safe."""

    def __init__(self) -> None:
        self.events = 0  # counted by those who make the lines, whether anybody listens or not
        self.wanted = False  # nobody listens: then a line need not be made
        self._listeners: tuple[Subscription, ...] = ()
        self._lock = threading.Lock()

    def subscribe(self) -> Subscription:
        subscription = Subscription(self)
        with self._lock:
            self._listeners = (*self._listeners, subscription)
            self.wanted = True
        return subscription

    def leave(self, subscription: Subscription) -> None:
        with self._lock:
            self._listeners = tuple(other for other in self._listeners if other is not subscription)
            self.wanted = bool(self._listeners)

    def publish(self, line: bytes) -> None:
        for listener in self._listeners:
            listener.offer(line)

    def close(self) -> None:
        for listener in self._listeners:
            listener.close()


class ErrorLines(logging.Handler):
    """Gives the server's own warnings and errors to a hub, one `{"message"}` a line."""

    def __init__(self, hub: Hub) -> None:
        super().__init__(logging.WARNING)
        self._hub = hub

    def emit(self, record: logging.LogRecord) -> None:
        self._hub.events += 1  # under the handler's own lock
        if self._hub.wanted:
            # The message only: a traceback stays in the server's own log.
            self._hub.publish(wire.encode({"message": record.getMessage()}))
