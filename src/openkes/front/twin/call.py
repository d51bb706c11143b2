"""A request as the pool sees it, and the stream it may answer with: `openkes.front.pool`'s Call and Stream."""

from __future__ import annotations

import contextlib
import re
from http import HTTPStatus

from openkes.front.twin.connection import Connection, Phase, Step
from openkes.front.types import Headers

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OWN = {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"}
_BODILESS = {204, 304}


class Call:
    """See `openkes.front.pool.Call`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._request = connection.request
        self.method: str = self._request.method.decode("ascii")
        self.target: str = self._request.target
        self.headers: Headers = self._request.headers
        self.peer = connection.peer
        self.declared_length: int | None = self._request.declared_length
        self.body: bytes = connection.body

    def _head(self, status: int, headers: Headers) -> None:
        if not 200 <= status <= 999:
            raise ValueError(f"status {status} cannot be sent")
        if not all(_NAME.fullmatch(name) for name, _ in headers):
            raise ValueError("a header whose name is no name cannot be sent")
        pairs = [(_bytes(name), _bytes(value)) for name, value in headers if name.lower() not in _OWN]
        try:
            phrase = HTTPStatus(status).phrase
        except ValueError:
            phrase = ""
        self._request.status = f"{status} {phrase}".encode()  # type: ignore[assignment]  # the stub is wrong
        self._request.outheaders = pairs

    def respond(self, status: int, headers: Headers, body: bytes) -> bool:
        """Answer at once; False when the client has gone."""
        length = [] if status in _BODILESS or _has_length(headers) else [("content-length", str(len(body)))]
        self._head(status, headers + length)
        self._request.ensure_headers_sent()
        if self.method != "HEAD" and status not in _BODILESS:
            self._connection.write(body)
        server = self._connection.server
        server.hold(self._connection, 0)
        try:
            self._connection.flush()
        except OSError:
            self._connection.close()
            return False
        if self._request.close_connection:
            self._connection.finish()
            server.watch(self._connection, Step.READ)
        else:
            self._connection.again()
            server.process_conn(self._connection)
        return True

    def stream(self, status: int, headers: Headers, number: int) -> Stream:
        """Answer with a stream. The connection ends with it."""
        self._head(status, headers)
        self._request.close_connection = True
        self._request.ensure_headers_sent()
        return Stream(self._connection, number, bodiless=self.method == "HEAD" or status in _BODILESS)


class Stream:
    """See `openkes.front.pool.Stream`."""

    def __init__(self, connection: Connection, number: int, *, bodiless: bool) -> None:
        self._connection = connection
        self._open = not bodiless
        if bodiless:
            connection.server.tell_gone(number)
        connection.number = number
        connection.phase = Phase.STREAMING
        with contextlib.suppress(OSError):
            connection.flush()
        connection.server.watch(connection, Step.READ)

    def send(self, chunk: bytes) -> bool:
        """Hand over a chunk; False when the client has gone or takes nothing any more."""
        if not self._open or self._connection.gone:
            return False
        try:
            if chunk:
                self._connection.request.write(chunk)
                self._connection.flush()
        except OSError:
            return False
        return True

    def end(self) -> None:
        """The stream is complete."""
        if self._connection.request.chunked_write:
            self._connection.write(b"0\r\n\r\n")
        with contextlib.suppress(OSError):
            self._connection.flush()
            with self._connection.lock:
                self._connection.finish()

    def abort(self) -> None:
        """The stream breaks off, unless `end` came before."""
        connection = self._connection
        with connection.lock:
            if connection.phase is Phase.STREAMING:
                connection.cut()
                connection.phase = Phase.LINGER
            left_alone = connection.gone and not connection.watched
        if left_alone:
            connection.close()


def _has_length(headers: Headers) -> bool:
    return any(name.lower() == "content-length" for name, _ in headers)


def _bytes(text: str) -> bytes:
    data = text.encode("latin-1")
    if b"\r" in data or b"\n" in data or b"\0" in data:
        raise ValueError("a header with a line end in it cannot be sent")
    return data
