"""The application's threads behind the compiled engine: a fixed pool, and one more thread for every stream."""

from __future__ import annotations

import itertools
import threading
import time
from typing import Protocol

from openkes.front.answer import BUSY, FAILED, Chunks, is_stream, whole
from openkes.front.report import report
from openkes.front.types import Application, Headers, Limits, Peer, Response


class Stream(Protocol):
    """The client's end of a streamed answer."""

    def send(self, chunk: bytes) -> bool: ...
    def end(self) -> None: ...
    def abort(self) -> None: ...


class Call(Protocol):
    """One request for the application."""

    method: str
    target: str
    headers: Headers
    peer: Peer
    declared_length: int | None
    body: bytes

    def respond(self, status: int, headers: Headers, body: bytes) -> bool: ...
    def stream(self, status: int, headers: Headers, number: int) -> Stream: ...


class Source(Protocol):
    """Where calls come from. Both wait, and give None when the server has stopped."""

    def next_call(self) -> Call | None: ...
    def next_gone(self) -> int | None: ...


class Pool:
    """Starts its threads at once. They end when the source does."""

    def __init__(self, source: Source, application: Application, limits: Limits) -> None:
        self._source = source
        self._application = application
        self._streaming = limits.streaming
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._streams: dict[int, Chunks] = {}
        self._threads: set[threading.Thread] = set()
        self._draining = False
        for _ in range(limits.threads):
            self._start(self._work, "kes-app")
        self._start(self._reap, "kes-gone")

    def _start(self, target: object, name: str) -> None:
        # Daemons: a call that hangs in a key store must not keep the process from ending.
        thread = threading.Thread(target=target, name=name, daemon=True)  # type: ignore[arg-type]
        with self._lock:  # whoever finds it in the set may join it
            self._threads.add(thread)
            thread.start()

    def _work(self) -> None:
        while (call := self._source.next_call()) is not None:
            try:
                if self._answer(call):
                    break  # this thread streamed, and another took its place
            except BaseException as error:  # nothing may end the thread
                report("application", call.method, call.target, error)
        with self._lock:
            self._threads.discard(threading.current_thread())

    def _answer(self, call: Call) -> bool:
        """Answer a call. True when it was a stream."""
        try:
            status, headers, chunks = self._ask(call)
            if is_stream(headers, chunks):
                return self._stream(call, status, headers, Chunks(chunks))
            call.respond(status, headers, whole(chunks))
        except BaseException as error:
            report("application", call.method, call.target, error)
            call.respond(*FAILED)
        return False

    def _ask(self, call: Call) -> Response:
        return self._application(call.method, call.target, call.headers, call.peer, call.declared_length, call.body)

    def _stream(self, call: Call, status: int, headers: Headers, chunks: Chunks) -> bool:
        number = next(self._numbers)
        with self._lock:
            admitted = len(self._streams) < self._streaming and not self._draining
            if admitted:
                self._streams[number] = chunks
        if not admitted:
            chunks.close()
            call.respond(*BUSY)
            return False
        try:
            stream = call.stream(status, headers, number)
        except BaseException:
            with self._lock:
                del self._streams[number]
            chunks.close()
            raise
        self._start(self._work, "kes-app")
        try:
            send(stream, chunks)
        except BaseException as error:
            if not chunks.stopped:
                report("application", call.method, call.target, error)
        finally:
            stream.abort()
            with self._lock:
                del self._streams[number]
        return True

    def _reap(self) -> None:
        while (number := self._source.next_gone()) is not None:
            with self._lock:
                chunks = self._streams.get(number)
            if chunks is not None:
                self._stop(chunks)

    def _stop(self, chunks: Chunks) -> None:
        try:
            chunks.stop()
        except BaseException as error:
            report("application", "CLOSE", "a stream", error)

    def drain(self) -> None:
        """End the streams, and take no new ones."""
        with self._lock:
            self._draining = True
            streams = list(self._streams.values())
        for chunks in streams:
            self._stop(chunks)

    def join(self, seconds: float) -> None:
        """Wait for the threads, at most so long. The source must have stopped."""
        end = time.monotonic() + seconds
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))


def send(stream: Stream, chunks: Chunks) -> None:
    """Send the chunks until they end, the client goes or somebody stops them. Closes them."""
    try:
        for chunk in chunks:
            if not stream.send(chunk):
                return
        stream.end()
    finally:
        chunks.close()
