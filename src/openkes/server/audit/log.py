"""When lines are written: before the answer where the configuration requires it, else soon after.

`best-effort`: lines are gathered for some milliseconds and written by one thread, many at once, so that neither a slow
disk nor that thread's wish for the interpreter holds up answers; when too many wait, callers wait. `required`: the
caller writes its line itself, and is told when it could not.
"""

from __future__ import annotations

import logging
import threading

from openkes.config.schema import Audit
from openkes.server.audit.writer import Writer
from openkes.server.gathering import Gathering

_log = logging.getLogger("openkes.server.audit")
QUEUE = 65_536  # lines: some seconds of full load, about 30 MB
BATCH = 512  # lines in one write
GATHER = 0.005  # seconds, in which lines come together: a killed server loses those


class AuditLog:
    """One per process, whatever is reloaded: the chain goes on. OSError when the output cannot be opened."""

    wanted = True

    def __init__(self, settings: Audit) -> None:
        self.required = settings.required
        self._writer = Writer(settings)
        #: Lines; an event where somebody waits for those before it; None at the end.
        self._queue: Gathering[bytes | threading.Event | None] = Gathering(GATHER, BATCH)
        self._room = threading.Condition()
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

    def append(self, line: bytes) -> bool:
        """A line without its end. False: it is required and could not be written; the answer must not be sent."""
        if self.required:
            return self._writer.write([line])
        if len(self._queue.items) >= QUEUE:
            with self._room:
                self._room.wait_for(lambda: len(self._queue.items) < QUEUE)
        self._queue.put(line)
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
        while True:
            self._queue.wait()
            batch, waiting, ended = self._take()
            try:
                if batch:
                    self._writer.write(batch)
            except Exception:  # nothing may end this thread: callers would wait on a full queue
                _log.exception("audit log: internal error; %d lines are lost", len(batch))
            with self._room:
                self._room.notify_all()
            for event in waiting:
                event.set()
            if ended:
                return

    def _take(self) -> tuple[list[bytes], list[threading.Event], bool]:
        """At most `BATCH` lines, who waits for lines up to there, and whether it was the end."""
        batch: list[bytes] = []
        waiting: list[threading.Event] = []
        while self._queue.items and len(batch) < BATCH:
            item = self._queue.items.popleft()
            if item is None:
                return batch, waiting, True
            if isinstance(item, threading.Event):
                waiting.append(item)
            else:
                batch.append(item)
        return batch, waiting, False


class NoAuditLog:
    """`log.audit: off`. `wanted` False: a line need not be made for it."""

    wanted = False
    lines = 0
    failures = 0
    required = False
    refusing = False

    def append(self, line: bytes) -> bool:
        return True

    def flush(self, timeout: float = 10.0) -> None:
        pass

    def close(self) -> None:
        pass
