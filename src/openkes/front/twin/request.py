"""The head of a request: cheroot's parser, made as strict and as literal as the engine's."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

from cheroot.server import HeaderReader, HTTPRequest

from openkes.front.refusals import Refused
from openkes.front.types import Headers

if TYPE_CHECKING:
    from openkes.front.twin.connection import Connection

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_TARGET = re.compile(rb"[\x21-\x7e]+")
_MOST = 100  # headers; the engine's number


class _Strict(HeaderReader):
    """Keeps every header as sent, in order; refuses what proxies and servers read differently."""

    def __call__(self, rfile: Any, hdict: dict[bytes, bytes] | None = None) -> dict[bytes, bytes]:
        known: dict[bytes, bytes] = {} if hdict is None else hdict
        pairs: list[tuple[bytes, bytes]] = []
        while (line := rfile.readline()) != b"\r\n":
            name, colon, value = line.partition(b":")
            if not (colon and line.endswith(b"\r\n") and _TOKEN.fullmatch(name)):
                raise Refused(400)
            value = value[:-2].strip(b" \t")
            if not _VALUE.fullmatch(value):
                raise Refused(400)
            pairs.append((name.lower(), value))
            if len(pairs) > _MOST:
                raise Refused(431)
        chunked = any(name == b"transfer-encoding" for name, _ in pairs)
        self.ambiguous = chunked and any(name == b"content-length" for name, _ in pairs)
        if self.ambiguous:  # the length does not count, and nothing after this request (RFC 9112, 6.3)
            pairs = [(name, value) for name, value in pairs if name != b"content-length"]
        lengths = {value for name, value in pairs if name == b"content-length"}
        if len(lengths) > 1 or not all(value.isdigit() for value in lengths):
            raise Refused(400)
        for name, value in pairs:
            known[name.title()] = value.lower() if name in {b"connection", b"expect"} else value
        self.pairs = pairs
        return known


class Request(HTTPRequest):
    """One request of a connection and, later, its answer."""

    def __init__(self, conn: Connection, head: bytes) -> None:
        # Not strict: cheroot would refuse `//` in a path. What it is not strict about is refused below.
        super().__init__(conn.server, conn, proxy_mode=True, strict_mode=False)
        self.header_reader = _Strict()
        self.head = head

    def parse_request(self) -> None:
        """Read the head. Refused, also for everything cheroot refuses."""
        self.rfile = io.BytesIO(self.head)
        try:
            self.read_request_line()  # type: ignore[no-untyped-call]
            self.read_request_headers()  # type: ignore[no-untyped-call]
        except ValueError:
            raise Refused(400) from None
        self.rfile = None
        if self.header_reader.ambiguous:
            self.close_connection = True
        if self.request_protocol == b"HTTP/1.0" and b"Transfer-Encoding" in self.inheaders:
            raise Refused(400)
        method = self.head.lstrip(b"\r\n").partition(b" ")[0]
        if not _TOKEN.fullmatch(method) or method == b"CONNECT" or not _TARGET.fullmatch(self.uri):
            raise Refused(400)
        self.method = method
        self.target = _path_and_query(self.uri)

    def simple_response(self, status: str, msg: str = "") -> None:
        """What cheroot would answer by itself, in plain text."""
        raise Refused(int(str(status)[:3]))

    @property
    def headers(self) -> Headers:
        """All of them, names in lower case."""
        return [(name.decode("ascii"), value.decode("latin-1")) for name, value in self.header_reader.pairs]

    @property
    def declared_length(self) -> int | None:
        """Content-Length, when there was one."""
        value = self.inheaders.get(b"Content-Length")
        return None if value is None else int(value)


def _path_and_query(uri: bytes) -> str:
    """As sent, of a target that may be absolute."""
    if not uri.startswith(b"/") and uri != b"*":
        scheme, found, rest = uri.partition(b"://")
        if not found or not scheme.isalpha():
            raise Refused(400)
        slash = rest.find(b"/")
        uri = rest[slash:] if slash >= 0 else b"/"
    return uri.decode("ascii")
