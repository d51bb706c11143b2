"""Threads that run what may hang, and are kept for the next call: a hand-over takes a fraction of a start.

All are daemons: a call that hangs must not keep the process from ending. Must not know what runs in them.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable

IDLE = 30.0  # seconds until a thread without work ends

Job = Callable[[], object]
_Inbox = queue.SimpleQueue[tuple[Job, Job] | None]


class Workers:
    """Thread-safe. A job must not raise."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._idle: list[_Inbox] = []

    def start(self, job: Job, done: Job = lambda: None) -> None:
        """Begin at once, on a thread of its own; `done` when that can take the next one. RuntimeError when the system
        gives no more threads."""
        try:
            inbox = self._idle.pop()
        except IndexError:
            # In its inbox from the first: a thread's arguments stay in memory as long as it lives.
            inbox = queue.SimpleQueue()
            threading.Thread(target=self._work, args=(inbox,), name=self._name, daemon=True).start()
        inbox.put((job, done))

    def close(self) -> None:
        """Idle threads end now, the others some time after their job."""
        with contextlib.suppress(IndexError):
            while True:
                self._idle.pop().put(None)

    def _work(self, mine: _Inbox) -> None:
        task = mine.get()
        while task is not None:
            job, done = task
            job()
            self._idle.append(mine)
            done()
            del task, job, done  # what they hold must not stay in memory while nothing comes
            try:
                task = mine.get(timeout=IDLE)
            except queue.Empty:
                try:
                    self._idle.remove(mine)
                except ValueError:  # somebody has just taken this thread
                    task = mine.get()
                else:
                    return
