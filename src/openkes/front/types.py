"""What passes between a front and its user: types only, no behaviour, no engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol


@dataclass(slots=True)
class Peer:
    """Who is at the other end of one TLS connection. One object per connection, never shared.

    `address` is "ip:port" ("[ip]:port" for IPv6). `identity` is the lower-case hex SHA-256 of the leaf's DER
    SubjectPublicKeyInfo, "" without a certificate. `certificate` is the leaf in DER. `chain_length` counts the
    certificates the peer sent. `state` belongs to the application: what it remembers about this connection.
    """

    address: str
    identity: str
    certificate: bytes | None
    chain_length: int
    state: object | None = None


#: hot(method, path, peer, declared_length, body) -> (status, body), or None: "take the other door".
#: One call at a time, on whichever thread is at hand. Memory only, never blocks: connections wait for it. `path`
#: is as sent, query included. `declared_length` is Content-Length, None when there was none (chunked, HTTP/2
#: without it, or a request without a body). A non-empty answer is application/json.
HotDoor = Callable[[str, str, Peer, int | None, bytes], tuple[int, bytes] | None]

#: application(method, target, headers, peer, declared_length, body) -> (status, headers, chunks). Runs in a
#: thread pool. `target` is path and query as sent. An answer without Content-Length whose `chunks` is no list
#: or tuple is a stream, maybe an endless one (a log). When the client has gone or the server drains, the front
#: calls `chunks.close()`, if there is one, from another thread: an iterator of one's own should then end its
#: `next`. A generator cannot be closed while it runs: let it yield b"" every second or so, which sends nothing
#: and lets the front look whether the client is still there.
Headers = list[tuple[str, str]]
Response = tuple[int, Headers, Iterable[bytes]]
Application = Callable[[str, str, Headers, Peer, int | None, bytes], Response]

#: refused(method, target, headers, peer, status, seconds): of every request whose head was understood, and which the
#: front then answers with this error by itself, so that no door sees it (a body too large or too slow, too many calls
#: at once). Called before the answer, `seconds` after the head, as the hot door is: it holds others up.
OnRefusal = Callable[[str, str, Headers, Peer, int, float], None]


@dataclass(frozen=True, slots=True)
class TLSFiles:
    """PEM bytes of the server's chain and its unencrypted private key; `client_ca` in PEM turns chain
    verification on (`tls.auth: on`), b"" means the system's roots, None accepts any client certificate."""

    chain: bytes
    key: bytes
    client_ca: bytes | None = None

    def __repr__(self) -> str:
        return f"TLSFiles(chain={len(self.chain)} bytes, key={len(self.key)} bytes)"


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds, bytes and counts; each has its reason beside it."""

    handshake: float = 10.0  # a real client needs milliseconds; half handshakes must not pile up
    header: float = 5.0  # the whole request head, and the first request of a connection
    body: float = 14.0  # upstream gives a whole request 15 s; a slow body must be closed within them
    idle: float = 90.0  # Go's client closes idle connections after 90 s; be no quicker than that
    write: float = 30.0  # a client that takes no byte of an answer for so long has gone
    max_header: int = 64 * 1024  # a forwarded client certificate is a few KiB; Go allows 1 MiB
    max_body: int = 1024 * 1024 + 4096  # the routes' 1 MiB and a little, so the route can say 413 itself
    max_bodies: int = 256 * 1024 * 1024  # of all requests at a moment: memory that clients can make us use
    streams: int = 256  # concurrent HTTP/2 streams of one connection; Go's default is 250
    connections: int = 12_000  # in all: 10,000 idle clients and room for the busy ones
    connections_per_peer: int = 11_000  # of one address: a fleet may sit behind one NAT
    threads: int = 16  # of the application's pool
    streaming: int = 64  # streamed answers at a moment; each holds a thread beside the pool
    waiting: int = 1024  # requests for the pool; with more than that nobody would live to see the answer
    drain: float = 15.0  # what runs when SIGTERM comes gets this long


class Front(Protocol):
    """A listening server. Made by `start` of either engine, which raises OSError when it cannot bind and
    TLSFilesError when the certificate or key cannot be used."""

    name: str  # "engine" or "python"
    address: tuple[str, int]  # where it listens, with the port the kernel chose for port 0

    def reload(self, files: TLSFiles) -> None:
        """New connections get the new certificate; running ones are not touched. TLSFilesError changes nothing."""

    def stop(self) -> None:
        """Stop accepting, GOAWAY, finish what runs within `Limits.drain`, close; returns when all is closed."""


class CannotRun(RuntimeError):
    """The engine may not do in this process what it needs. `hint`: what helps."""

    def __init__(self, text: str, hint: str) -> None:
        super().__init__(text)
        self.hint = hint


class TLSFilesError(ValueError):
    """The chain, key or CA cannot be used; the text says which one and why."""
