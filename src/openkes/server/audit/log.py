"""When lines are written: before the answer where the configuration requires it, else soon after.

`best-effort`: lines are queued and written by one thread in batches, so that a slow disk does not hold up answers;
when the queue is full, callers wait. `required`: the caller writes its line itself, and is told when it could not.
"""

from __future__ import annotations

import logging
import queue
import threading

from openkes.config.schema import Audit
from openkes.server.audit.record import Record
from openkes.server.audit.writer import Writer

_log = logging.getLogger("openkes.server.audit")
QUEUE = 65_536  # lines: some seconds of full load, about 20 MB
BATCH = 512  # lines in one write


class AuditLog:
    """One per process, whatever is reloaded: the chain goes on. OSError when the output cannot be opened."""

    def __init__(self, settings: Audit) -> None:
        self.required = settings.required
        self._writer = Writer(settings)
        self._queue: queue.Queue[Record | threading.Event | None] = queue.Queue(QUEUE)
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    @property
    def lines(self) -> int:
        return self._writer.lines

    @property
    def failures(self) -> int:
        return self._writer.failures

    @property
    def refusing(self) -> bool:
        """The line of a call that changes something could probably not be written: better not begin it."""
        return self.required and self._writer.failing

    def append(self, record: Record) -> bool:
        """False: the line is required and could not be written; the answer must not be sent."""
        if self.required:
            return self._writer.write([record])
        self._queue.put(record)
        return True

    def flush(self, timeout: float = 10.0) -> None:
        """Wait until everything appended so far is written."""
        done = threading.Event()
        self._queue.put(done)
        done.wait(timeout)

    def reopen(self, settings: Audit) -> None:
        """After the file was rotated away, or the settings changed. OSError leaves everything as it was."""
        self.flush()  # what belongs in the old file
        self._writer.reopen(settings)
        self.required = settings.required

    def close(self) -> None:
        self._queue.put(None)
        self._thread.join(10.0)
        self._writer.close()

    def _run(self) -> None:
        item: Record | threading.Event | None = None
        while True:
            batch: list[Record] = []
            waiting: list[threading.Event] = []
            item = self._queue.get()
            while item is not None:
                if isinstance(item, threading.Event):
                    waiting.append(item)
                else:
                    batch.append(item)
                if len(batch) >= BATCH:
                    break
                try:
                    item = self._queue.get_nowait()
                except queue.Empty:
                    break
            try:
                if batch:
                    self._writer.write(batch)
            except Exception:  # nothing may end this thread: callers would wait on a full queue
                _log.exception("audit log: internal error; %d lines are lost", len(batch))
            for event in waiting:
                event.set()
            if item is None:
                return


class NoAuditLog:
    """`log.audit: off`."""

    lines = 0
    failures = 0
    required = False
    refusing = False

    def append(self, record: Record) -> bool:
        return True

    def flush(self, timeout: float = 10.0) -> None:
        pass

    def close(self) -> None:
        pass
