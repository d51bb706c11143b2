"""What stands between TCP and the application: TLS, HTTP, limits, time-outs, reload, drain.

Two engines behind one interface: `openkes.front.engine` (Rust, HTTP/1.1 and HTTP/2) and
`openkes.front.python` (pure Python, HTTP/1.1). Nothing outside this package knows which one runs,
and nothing inside it knows keys, names, policies or JSON beyond the error body it is handed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol


@dataclass(slots=True)
class Peer:
    """Who is at the other end of one TLS connection. One object per connection, never shared.

    `identity` is the lower-case hex SHA-256 of the leaf's DER SubjectPublicKeyInfo, "" without a
    certificate. `certificate` is the leaf in DER. `chain_length` counts the certificates the peer sent.
    `state` belongs to the application: what it remembers about this connection.
    """

    address: str
    identity: str
    certificate: bytes | None
    chain_length: int
    state: object | None = None


#: hot(method, path, peer, declared_length, body) -> (status, body), or None: "take the other door".
#: Runs on one thread, memory only, never blocks. `path` is as sent, query included. `declared_length` is
#: Content-Length, None when the length was not declared (chunked, or HTTP/2 without it).
#: A non-empty answer is application/json.
HotDoor = Callable[[str, str, Peer, int | None, bytes], tuple[int, bytes] | None]

#: application(method, target, headers, peer, declared_length, body) -> (status, headers, chunks). Runs in a
#: thread pool. `target` is path and query as sent. `chunks` may be an endless iterator (a log stream); the
#: front calls its `close()`, if it has one, when the client has gone or the server drains.
Headers = list[tuple[str, str]]
Application = Callable[
    [str, str, Headers, Peer, int | None, bytes],
    tuple[int, Headers, Iterable[bytes]],
]


@dataclass(frozen=True, slots=True)
class TLSFiles:
    """PEM bytes of the server's chain and its unencrypted private key; `client_ca` in PEM turns chain
    verification on (`tls.auth: on`), b"" means the system's roots, None accepts any client certificate."""

    chain: bytes
    key: bytes
    client_ca: bytes | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds, bytes and counts; each has its reason beside it."""

    handshake: float = 10.0  # a real client needs milliseconds; half handshakes must not pile up
    header: float = 5.0  # the whole request head
    body: float = 15.0  # upstream's limit for a whole request
    idle: float = 90.0  # Go's client closes idle connections after 90 s; be no quicker than that
    max_header: int = 64 * 1024  # a forwarded client certificate is a few KiB; Go allows 1 MiB
    max_body: int = 1024 * 1024 + 4096  # the routes' 1 MiB and a little, so the route can say 413 itself
    streams: int = 256  # concurrent HTTP/2 streams of one connection; Go's default is 250
    connections: int = 12_000  # in all: 10,000 idle clients and room for the busy ones
    connections_per_peer: int = 11_000  # of one address: a fleet may sit behind one NAT
    threads: int = 16  # of the application's pool
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


class TLSFilesError(ValueError):
    """The chain, key or CA cannot be used; the text says which one and why."""


def have_engine() -> bool:
    """True when the compiled engine is installed and loads."""
    raise NotImplementedError


def start(
    host: str,
    port: int,
    files: TLSFiles,
    hot: HotDoor,
    application: Application,
    *,
    limits: Limits | None = None,
    engine: bool | None = None,
) -> Front:
    """Listen and serve in background threads. `engine`: True or False to insist, None for the best there is."""
    raise NotImplementedError
