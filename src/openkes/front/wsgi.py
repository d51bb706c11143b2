"""Makes an `Application` of a WSGI callable. Knows WSGI (PEP 3333) and nothing of what is behind it.

environ carries, beyond the standard: `openkes.peer` (Peer), `openkes.declared_length` (int or None) and
`RAW_URI`, path and query as sent. Header names with an underscore are dropped: in environ they would look like
the same name with a hyphen, and a client could forge a header that a proxy sets.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any
from urllib.parse import unquote_to_bytes

from openkes.front.types import Application, Headers, Peer, Response

Environ = dict[str, Any]
WSGI = Callable[[Environ, Callable[..., Callable[[bytes], object]]], Iterable[bytes]]


def application_from_wsgi(wsgi: WSGI) -> Application:
    """The adapter. Exceptions of `wsgi` pass through it."""

    def application(
        method: str, target: str, headers: Headers, peer: Peer, declared_length: int | None, body: bytes
    ) -> Response:
        environ = make_environ(method, target, headers, peer, declared_length, body)
        return _Run().answer(wsgi, environ)

    return application


def make_environ(
    method: str, target: str, headers: Headers, peer: Peer, declared_length: int | None, body: bytes
) -> Environ:
    """environ of one request."""
    path, _, query = target.partition("?")
    address, _, port = peer.address.rpartition(":")
    environ: Environ = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "RAW_URI": target,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": address.strip("[]"),
        "REMOTE_PORT": port,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https",
        "wsgi.input": io.BytesIO(body),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "openkes.peer": peer,
        "openkes.declared_length": declared_length,
    }
    for name, value in headers:
        _add(environ, name, value)
    host, _, number = environ.get("HTTP_HOST", "").rpartition(":")
    with_port = bool(host) and number.isdigit()
    environ["SERVER_NAME"] = (host if with_port else environ.get("HTTP_HOST")) or "localhost"
    environ["SERVER_PORT"] = number if with_port else "443"
    return environ


def _add(environ: Environ, name: str, value: str) -> None:
    key = name.upper().replace("-", "_")
    if "_" in name or key in {"CONTENT_LENGTH", "TRANSFER_ENCODING"}:
        return  # the body is whole: its length is known, however it was sent
    if key == "CONTENT_TYPE":
        environ[key] = value
        return
    key = f"HTTP_{key}"
    joint = "; " if key == "HTTP_COOKIE" else ","
    environ[key] = f"{environ[key]}{joint}{value}" if key in environ else value


class _Run:
    """One call of a WSGI callable."""

    def __init__(self) -> None:
        self._status: int | None = None
        self._headers: Headers = []
        self._written: list[bytes] = []

    def _start(self, status: str, headers: Headers, exc_info: Any = None) -> Callable[[bytes], object]:
        if self._status is not None and exc_info is None:
            raise RuntimeError("start_response was called twice")
        self._status, self._headers = int(status.split(" ", 1)[0]), list(headers)
        return self._written.append

    def answer(self, wsgi: WSGI, environ: Environ) -> Response:
        chunks = wsgi(environ, self._start)
        if self._status is None or self._written:
            chunks = self._first(chunks)
        if self._status is None:
            _close(chunks)
            raise RuntimeError("the WSGI callable did not call start_response")
        return self._status, self._headers, chunks

    def _first(self, chunks: Iterable[bytes]) -> Iterable[bytes]:
        """Go on to the first chunk: a callable may call `start_response` as late as that."""
        iterator = iter(chunks)
        try:
            first = [chunk for chunk in [next(iterator, None)] if chunk is not None]
        except BaseException:
            _close(chunks)
            raise
        return _Resumed(chain(self._written, first, iterator), chunks)


class _Resumed:
    """What is left of chunks after the first was taken."""

    def __init__(self, rest: Iterator[bytes], chunks: Iterable[bytes]) -> None:
        self._rest = rest
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        return self._rest

    def close(self) -> None:
        _close(self._chunks)


def _close(chunks: Iterable[bytes]) -> None:
    close = getattr(chunks, "close", None)
    if close is not None:
        close()
