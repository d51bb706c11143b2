"""What an application answered, whole or as a stream, and the orderly end of its chunks."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator

from openkes.front import refusals
from openkes.front.types import Headers

JSON: Headers = [("content-type", "application/json")]
FAILED = (500, JSON, refusals.body(500))
BUSY = (503, JSON, refusals.body(503))


def is_stream(headers: Headers, chunks: Iterable[bytes]) -> bool:
    """True for an answer that must be sent while it is made: its length is not known beforehand."""
    if isinstance(chunks, list | tuple):
        return False
    return not any(name.lower() == "content-length" for name, _ in headers)


def whole(chunks: Iterable[bytes]) -> bytes:
    """The chunks joined; closes them."""
    try:
        return b"".join(chunks)
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()


class Chunks:
    """The chunks of a stream: read by one thread, stopped by another."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self._lock = threading.Lock()
        self._closed = False
        self.stopped = False

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            yield chunk
            if self.stopped:
                return

    def stop(self) -> None:
        """Make the reading thread end soon. Never raises because that thread is in the middle of a chunk."""
        self.stopped = True
        try:
            self.close()
        except ValueError:
            # A generator that runs cannot be closed by another thread; its reader closes it after this chunk.
            return

    def close(self) -> None:
        """Close what the application gave, once; a try that fails does not count."""
        close = getattr(self._chunks, "close", None)
        with self._lock:
            if close is not None and not self._closed:
                close()
            self._closed = True
