"""A JSON line for every request, denied ones and bad ones too.

Owns the line's form and the file. A line never holds a key, a plaintext, a ciphertext or a context.
Lines are queued and written by one thread in batches, so that a slow disk does not hold up answers; when the
queue is full, callers wait: no line is dropped.
"""

from __future__ import annotations

import logging
import os
import queue
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

import msgspec

from openkes.crypto import timestamp

_log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode
QUEUE = 65_536  # lines: some seconds of full load, about 20 MB
BATCH = 512  # lines in one write


class Record(NamedTuple):
    """`time` in ns since 1970, `duration` in seconds. `path` as sent, without the query."""

    time: int
    address: str
    method: str
    path: str
    identity: str
    status: int
    duration: float

    def line(self) -> bytes:
        ip = self.address.rpartition(":")[0].strip("[]")
        document = {
            "time": timestamp.to_text(self.time),
            "request": {"ip": ip, "path": self.path, "method": self.method, "identity": self.identity},
            "response": {"code": self.status, "time": int(self.duration * 1e6)},
        }
        return _encode(document) + b"\n"


class AuditLog:
    """Appends to `file`, or to standard output without one. `reopen` after the file was rotated away."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._descriptor = self._open(file)
        self._queue: queue.Queue[Record | threading.Event | None] = queue.Queue(QUEUE)
        self._lock = threading.Lock()
        self._failed = False
        self.lines = 0
        self.failures = 0
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    @staticmethod
    def _open(file: Path | None) -> int:
        if file is None:
            return os.dup(sys.stdout.fileno())
        return os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)

    def append(self, record: Record) -> None:
        self._queue.put(record)

    def flush(self, timeout: float = 10.0) -> None:
        """Wait until everything appended so far is written."""
        done = threading.Event()
        self._queue.put(done)
        done.wait(timeout)

    def reopen(self, file: Path | None) -> None:
        """OSError leaves the old file in use."""
        descriptor = self._open(file)
        with self._lock:
            old, self._descriptor, self._file = self._descriptor, descriptor, file
        os.close(old)

    def close(self) -> None:
        self._queue.put(None)
        self._thread.join(10.0)
        with self._lock:
            os.close(self._descriptor)
            self._descriptor = -1

    def _run(self) -> None:
        open_ = True
        while open_:
            batch: list[bytes] = []
            waiting: list[threading.Event] = []
            item = self._queue.get()
            while True:
                if item is None:
                    open_ = False
                elif isinstance(item, threading.Event):
                    waiting.append(item)
                else:
                    batch.append(item.line())
                if not open_ or len(batch) >= BATCH:
                    break
                try:
                    item = self._queue.get_nowait()
                except queue.Empty:
                    break
            self._write(batch)
            for event in waiting:
                event.set()

    def _write(self, batch: list[bytes]) -> None:
        data = b"".join(batch)
        with self._lock:
            try:
                while data:
                    data = data[os.write(self._descriptor, data) :]
            except OSError as error:
                if not self._failed:
                    where = self._file or "standard output"
                    _log.error("audit log %s: %s; lines are lost until this is mended", where, error.strerror)
                self._failed = True
                self.failures += len(batch)
            else:
                self.lines += len(batch)
                if self._failed and data == b"":
                    _log.warning("audit log works again")
                self._failed = False


class NoAuditLog:
    """`log.audit: off`."""

    lines = 0
    failures = 0

    def append(self, record: Record) -> None:
        pass

    def flush(self, timeout: float = 10.0) -> None:
        pass

    def close(self) -> None:
        pass


def now() -> int:
    return time.time_ns()
