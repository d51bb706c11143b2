"""HTTP/1.1 by hand over TLS, so that a test can send what no library would."""

from __future__ import annotations

import json
import socket
import ssl
from dataclasses import dataclass
from typing import Any

from tests.front.certificates import Client

PATIENCE = 10.0  # seconds until a test gives up; nothing here waits so long when all is well


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def message(self) -> str:
        return str(json.loads(self.body)["message"])

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def connect_tcp(address: tuple[str, int]) -> socket.socket:
    sock = socket.create_connection(address, timeout=PATIENCE)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def connect_tls(
    address: tuple[str, int],
    client: Client | None = None,
    *,
    alpn: str = "http/1.1",
    version: ssl.TLSVersion | None = None,
) -> ssl.SSLSocket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([alpn])
    if version is not None:
        context.minimum_version = context.maximum_version = version
    if client is not None:
        context.load_cert_chain(client.chain, client.key)
    return context.wrap_socket(connect_tcp(address), server_hostname="localhost")


class Wire:
    """One connection. Also a context manager."""

    def __init__(self, address: tuple[str, int], client: Client | None = None, **options: Any) -> None:
        self.sock = connect_tls(address, client, **options)
        self._file = self.sock.makefile("rb")

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()
        self.sock.close()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def ask(
        self, method: str = "GET", target: str = "/", body: bytes | None = None, headers: tuple[str, ...] = ()
    ) -> Reply:
        """A request of the plain kind; `body` gets a Content-Length."""
        length = () if body is None else (f"Content-Length: {len(body)}",)
        head = "\r\n".join((f"{method} {target} HTTP/1.1", "Host: localhost", *length, *headers))
        self.send(head.encode() + b"\r\n\r\n" + (body or b""))
        return self.reply(method)

    def line(self) -> bytes:
        return self._file.readline()

    def head(self) -> tuple[int, dict[str, str]]:
        status = self.line()
        if not status:
            raise EOFError("the connection ended instead of an answer")
        headers = {}
        while (line := self.line()) not in {b"\r\n", b""}:
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        return int(status.split()[1]), headers

    def chunk(self) -> bytes | None:
        """The next chunk of a chunked body, None at its end. EOFError when it breaks off."""
        line = self.line()
        if not line:
            raise EOFError("the body broke off")
        data = self._file.read(int(line, 16))
        self._file.read(2)
        return data or None

    def reply(self, method: str = "GET") -> Reply:
        status, headers = self.head()
        body = b""
        if method == "HEAD" or status in {204, 304}:
            pass
        elif headers.get("transfer-encoding") == "chunked":
            while chunk := self.chunk():
                body += chunk
        else:
            body = self._file.read(int(headers["content-length"]))
        return Reply(status, headers, body)

    def ended(self) -> bool:
        """True when the other end has closed; waits for it. AssertionError when there is data instead."""
        try:
            data = self._file.read(1)
        except TimeoutError:
            return False
        except OSError:  # a reset is an end too
            return True
        assert data == b"", data
        return True
