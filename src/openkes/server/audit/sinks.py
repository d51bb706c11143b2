"""Files and streams that take whole lines: all of a line is there, or none of it.

What a full disk leaves of a line is cut off again; where that is not allowed, the next line starts on a line of
its own. Must not know what a line says.
"""

from __future__ import annotations

import contextlib
import os
import select
import stat
import time
from pathlib import Path
from typing import Protocol

from openkes.server.audit.chain import digest

LOOK_INTERVAL = 1.0  # seconds between looks whether somebody deleted the file
TAIL = 65_536  # bytes read for the last line of a file; a line is below 1 KiB, long paths aside


class NotWritten(Exception):
    """`lines` of those given were written, then `reason` came."""

    def __init__(self, lines: int, reason: str) -> None:
        self.lines = lines
        self.reason = reason
        super().__init__(reason)


class Sink(Protocol):
    """Takes lines. Not thread-safe."""

    name: str

    def write(self, lines: list[bytes], patience: float) -> None:
        """All of them, or NotWritten. Waits at most `patience` seconds for a reader that is slow."""

    def last(self) -> str:
        """The digest of the line that is last now; "" where there is none, or nobody can know."""

    def close(self) -> None: ...


class StreamSink:
    """Lines to a descriptor, which is closed with it. Pipes and sockets are never waited for beyond `patience`."""

    def __init__(self, descriptor: int, name: str) -> None:
        self.name = name
        self._descriptor = descriptor
        self._torn = False

    def write(self, lines: list[bytes], patience: float) -> None:
        data = b"\n".join(lines) + b"\n"
        if self._torn:
            data = b"\n" + data
        written = 0
        try:
            while written < len(data):
                written += self._put(data[written:] if written else data, patience)
        except OSError as error:
            kept = self._mend(data[:written])
            raise NotWritten(kept, error.strerror or str(error)) from None
        self._torn = False

    def _put(self, data: bytes, patience: float) -> int:
        return os.write(self._descriptor, data)

    def _mend(self, part: bytes) -> int:
        """Only `part` was written. How many of its lines are whole."""
        if not part:
            return 0
        ends = part.count(b"\n") - self._torn  # the first one was for the torn line
        fragment = part.rpartition(b"\n")[2]
        self._torn = bool(fragment) and not self._cut(len(fragment))
        return ends

    def _cut(self, length: int) -> bool:
        """Take back the last bytes written; False where that cannot be."""
        return False

    def last(self) -> str:
        return ""

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1


class PipeSink(StreamSink):
    """A pipe or socket of this process alone, set to not block."""

    def _put(self, data: bytes, patience: float) -> int:
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:
            poll = select.poll()
            poll.register(self._descriptor, select.POLLOUT)
            if not poll.poll(patience * 1000):
                raise TimeoutError(0, f"nobody reads it (waited {patience:g} s)") from None
            return os.write(self._descriptor, data)


def standard_output(descriptor: int) -> StreamSink:
    """Lines to the process's own `descriptor`, which stays open when the sink is closed. OSError."""
    name = "standard output"
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISFIFO(mode):
        # Opened anew: O_NONBLOCK on a copy would change it for everybody who shares the pipe's end.
        with contextlib.suppress(OSError):
            flags = os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC
            return PipeSink(os.open(f"/proc/self/fd/{descriptor}", flags), name)
    return StreamSink(os.dup(descriptor), name)


class FileSink(StreamSink):
    """Appends to a file, mode 0640. OSError when it cannot be opened."""

    def __init__(self, file: Path) -> None:
        super().__init__(self._open(file), str(file))
        self._file = file
        self._look = time.monotonic() + LOOK_INTERVAL
        self._regular = stat.S_ISREG(os.fstat(self._descriptor).st_mode)
        # What a crash left without its end must not swallow the next line.
        self._torn = self._tail(1) not in (b"", b"\n")

    @staticmethod
    def _open(file: Path) -> int:
        return os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)

    def write(self, lines: list[bytes], patience: float) -> None:
        now = time.monotonic()
        if now >= self._look:
            self._look = now + LOOK_INTERVAL
            try:
                self._reopen_if_deleted()
            except OSError as error:
                raise NotWritten(0, error.strerror or str(error)) from None
        super().write(lines, patience)

    def _reopen_if_deleted(self) -> None:
        """Lines to a deleted file are in no file."""
        if os.fstat(self._descriptor).st_nlink:
            return
        descriptor = self._open(self._file)
        os.close(self._descriptor)
        self._descriptor, self._torn = descriptor, False

    def _cut(self, length: int) -> bool:
        try:
            end = os.lseek(self._descriptor, 0, os.SEEK_CUR)
            if os.fstat(self._descriptor).st_size != end:
                return False  # another process wrote behind it
            os.ftruncate(self._descriptor, end - length)
        except OSError:  # an append-only file (chattr +a), a device
            return False
        return True

    def _tail(self, size: int) -> bytes:
        """The file's last bytes; b"" when it may not be read."""
        if not self._regular:
            return b""
        try:
            descriptor = os.open(f"/proc/self/fd/{self._descriptor}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return b""
        try:
            end = os.fstat(descriptor).st_size
            return os.pread(descriptor, size, max(0, end - size))
        except OSError:
            return b""
        finally:
            os.close(descriptor)

    def last(self) -> str:
        size = TAIL
        while True:
            tail = self._tail(size)
            lines = tail.removesuffix(b"\n").rpartition(b"\n")
            if not tail or lines[1] or len(tail) < size:
                return digest(lines[2]) if tail else ""
            size *= 4
