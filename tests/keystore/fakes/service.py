"""A vendor's JSON API on loopback: what all fakes share. Faults are set by the test; what is not implemented is
refused."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import trustme

FORMS = ("application/x-www-form-urlencoded",)  # of which logins are made


class Fault(Enum):
    AWAY = "503, and nothing is done"
    BROKEN = "500 after it is done"
    DROPPED = "the connection ends before anything is done"
    DROPPED_AFTER = "the connection ends after it is done"
    SILENT = "nothing is done, and no answer comes until the end of the test"


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    body: Any = field(repr=False)


@dataclass(frozen=True)
class Reply:
    status: int
    document: Any = None
    headers: dict[str, str] = field(default_factory=dict)


class Refused(Exception):
    """The request is answered with `status` and a document; None for an empty body."""

    def __init__(self, status: int, document: Any) -> None:
        self.reply = Reply(status, document)
        super().__init__(status, document)


class Service:
    """One vendor's. A subclass answers requests, one at a time, by `answer`. `hosts`: the names in its certificate."""

    hosts: tuple[str, ...] = ("127.0.0.1",)

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._faults: list[tuple[Callable[[Request], bool], Fault, int]] = []
        self._lock = threading.RLock()
        self.released = threading.Event()

    def answer(self, request: Request) -> Reply:
        raise NotImplementedError

    def fail(self, fault: Fault, times: int = 1, on: Callable[[Request], bool] = lambda request: True) -> None:
        """The next `times` requests that `on` picks."""
        self._faults.append((on, fault, times))

    def heal(self) -> None:
        self._faults.clear()
        self.released.set()

    def count(self) -> Counter[str]:
        """Requests by method and path."""
        return Counter(f"{request.method} {request.path}" for request in self.requests)

    def handle(self, request: Request) -> Reply | None:
        """None: the connection is to end."""
        with self._lock:
            self.requests.append(request)
            fault = self._fault(request)
            if fault not in (Fault.SILENT, Fault.AWAY, Fault.DROPPED):
                reply = self._answered(request)
                if fault is Fault.BROKEN:
                    return Reply(500, {"message": "internal error"})
                return None if fault is Fault.DROPPED_AFTER else reply
        if fault is Fault.AWAY:
            return Reply(503, {"message": "service unavailable"})
        if fault is Fault.SILENT:
            self.released.wait()
        return None

    def _answered(self, request: Request) -> Reply:
        try:
            return self.answer(request)
        except Refused as refused:
            return refused.reply

    def _fault(self, request: Request) -> Fault | None:
        for i, (on, fault, times) in enumerate(self._faults):
            if on(request):
                self._faults[i : i + 1] = [(on, fault, times - 1)] if times > 1 else []
                return fault
        return None


class Server(ThreadingHTTPServer):
    """`stop` cuts every connection, as a machine that is gone does; `start` listens on the same port again."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, service: Service, port: int = 0, authority: trustme.CA | None = None) -> None:
        self.service = service
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), Handler)
        self._scheme = "https" if authority else "http"
        if authority is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert(*service.hosts).configure_cert(context)
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.server_port}"

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no fault of the service."""

    def stop(self) -> None:
        self.service.released.set()
        self.shutdown()
        self._thread.join()
        self.server_close()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def again(self) -> Server:
        """The same service on the same port, after `stop`."""
        return Server(self.service, self.server_port)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        reply = self._checked(content) or self.server.service.handle(
            Request(
                self.command,
                parts.path,
                dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))),
                self.headers,
                self._body(content),
            )
        )
        if reply is None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        body = b"" if reply.document is None else json.dumps(reply.document).encode()
        self.send_response_only(reply.status)
        for name, value in {"Date": self.date_time_string(), **reply.headers}.items():
            if value:
                self.send_header(name, value)
        if body:
            self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_PUT = do_POST = do_PATCH = do_DELETE = do_GET

    def _body(self, content: bytes) -> Any:
        if self.headers.get("Content-Type") in FORMS:
            return dict(parse_qsl(content.decode(), keep_blank_values=True, strict_parsing=True))
        return json.loads(content) if content else None

    def _checked(self, content: bytes) -> Reply | None:
        if content and self.headers.get("Content-Type") not in ("application/json", *FORMS):
            return Reply(415, {"message": "the body is no JSON"})
        return None

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serving(service: Service, authority: trustme.CA | None = None) -> Iterator[Server]:
    server = Server(service, authority=authority)
    try:
        yield server
    finally:
        server.stop()


def fields(body: Any, required: dict[str, type], optional: dict[str, Any]) -> dict[str, Any]:
    """`body`, if it has all of `required`, and beyond them only `optional` (a type, or a tuple of them)."""
    if not isinstance(body, dict):
        raise Refused(400, {"message": "the body is no object"})
    for name, kind in required.items():
        if not isinstance(body.get(name), kind):
            raise Refused(400, {"message": f"field {name} is missing, or of another type"})
    for name in body.keys() - required.keys():
        if name not in optional:
            raise Refused(400, {"message": f"unknown field {name}"})
        if not isinstance(body[name], optional[name]):
            raise Refused(400, {"message": f"field {name} is of another type"})
    return body
