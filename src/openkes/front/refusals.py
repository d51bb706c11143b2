"""What a front answers by itself, in the same words whichever engine runs (the Rust side: `request.rs`)."""

from __future__ import annotations

from http import HTTPStatus

_TEXTS = {
    400: "malformed request",
    408: "request body too slow",
    413: "request body too large",
    414: "request target too long",
    431: "request header too large",
    500: "internal server error",
    503: "server is too busy",
}


class Refused(Exception):
    """The request ends here, with `status`."""

    def __init__(self, status: int) -> None:
        self.status = status if status in _TEXTS else 400
        super().__init__(_TEXTS[self.status])


def body(status: int) -> bytes:
    """The JSON body of an error."""
    return b'{"message":"%s"}' % _TEXTS[status].encode()


def response(status: int) -> bytes:
    """A whole HTTP/1.1 response after which the connection closes."""
    text = body(status)
    head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nConnection: close\r\nContent-Type: application/json\r\n"
    return head.encode() + b"Content-Length: %d\r\n\r\n%s" % (len(text), text)
