"""Threads that run what may hang, and are kept for the next call: a hand-over takes a fraction of a start.

All are daemons: a call that hangs must not keep the process from ending.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

KEPT = 8  # idle threads; a burst starts more, which end after it

Job = Callable[[], None]


class Workers:
    """Thread-safe. A job must not raise."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._idle: list[queue.SimpleQueue[Job | None]] = []
        self._kept = KEPT

    def start(self, job: Job) -> None:
        """Begin at once, on a thread of its own."""
        with self._lock:
            inbox = self._idle.pop() if self._idle else None
        if inbox is not None:
            inbox.put(job)
        else:
            threading.Thread(target=self._work, args=(job,), name=self._name, daemon=True).start()

    def close(self) -> None:
        """Idle threads end now, the others with their job."""
        with self._lock:
            self._kept = 0
            idle, self._idle = self._idle, []
        for inbox in idle:
            inbox.put(None)

    def _work(self, job: Job | None) -> None:
        inbox: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        while job is not None:
            job()
            with self._lock:
                if len(self._idle) >= self._kept:
                    return
                self._idle.append(inbox)
            job = None  # what it holds is not kept while nothing happens
            job = inbox.get()
