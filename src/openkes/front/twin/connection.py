"""One TLS connection, read without ever waiting. Who calls: the selecting thread while it reads, then the one
thread of the pool that answers; both only while an answer is streamed, and then under the lock."""

from __future__ import annotations

import contextlib
import enum
import select
import socket
import threading
import time
from typing import TYPE_CHECKING

from cheroot.server import HTTPConnection
from OpenSSL import SSL

from openkes.front import refusals
from openkes.front.refusals import Refused
from openkes.front.report import report
from openkes.front.twin.chunked import Decoder
from openkes.front.twin.context import make_peer
from openkes.front.twin.request import Request
from openkes.front.types import Peer
from openkes.identity import IdentityError

if TYPE_CHECKING:
    from openkes.front.twin.server import Server

_PIECE = 65536
_LINGER = 1.0  # a peer that still sends after the last answer gets so long to read it, before the reset


class Phase(enum.Enum):
    """What the next bytes are."""

    HANDSHAKE = "handshake"
    HEAD = "head"
    BODY = "body"
    RUNNING = "running"  # with the pool; nobody reads
    STREAMING = "streaming"  # with the pool; read only to see the peer go
    LINGER = "linger"


class Step(enum.Enum):
    """What is to be done next."""

    READ = "wait until it can be read"
    WRITE = "wait until it can be written"
    READY = "a whole request is there"
    GONE = "the client has gone, the pool has to close"
    DEAD = "close it"


class Connection(HTTPConnection):
    """See the module."""

    def __init__(self, server: Server, sock: socket.socket, address: tuple[str, int]) -> None:
        # Not cheroot's own: its files would block, and poll with pauses.
        sock.setblocking(False)
        self.server = server
        self.socket = sock
        self.rfile = None
        self.wfile = self
        self.remote_addr, self.remote_port = address
        self.lock = threading.RLock()
        self.tls = SSL.Connection(server.context, sock)
        self.tls.set_accept_state()
        self.phase = Phase.HANDSHAKE
        self.deadline = time.monotonic() + server.limits.handshake
        self.peer: Peer | None = None
        self.watched = False
        self.held = 0
        self.number = 0  # of the stream, for the pool
        self.gone = False
        self._buffer = bytearray()
        self._seen = 0  # of the buffer, in the search for the end of the head
        self._out = bytearray()
        self._served = False
        self._begun = 0.0  # when the head was there
        self._closed = False
        self._decoder: Decoder | None = None
        self._left = 0

    def advance(self) -> Step:
        """Do what can be done without waiting."""
        with self.lock:
            self.watched = False
            try:
                return self._advance()
            except Refused as refusal:
                return self.refuse(refusal.status)
            except SSL.WantReadError:
                return Step.READ
            except SSL.WantWriteError:
                return Step.WRITE
            except (SSL.Error, OSError, IdentityError):
                if self.phase is not Phase.STREAMING:
                    return Step.DEAD
                self.gone = True
                return Step.GONE

    def _advance(self) -> Step:
        if self.phase is Phase.HANDSHAKE:
            self.tls.do_handshake()
            self.peer = make_peer(self.tls, (self.remote_addr, self.remote_port))
            self.phase = Phase.HEAD
            self.deadline = time.monotonic() + self.server.limits.header
        if self.phase in {Phase.HEAD, Phase.BODY} and self._buffer and self._parse():
            return Step.READY
        while True:
            data = self.tls.recv(_PIECE)
            if self.phase in {Phase.LINGER, Phase.STREAMING}:
                continue
            self._buffer += data
            if self._parse():
                return Step.READY

    def _parse(self) -> bool:
        """Make of the buffer what can be made. True when a request is whole."""
        if self.phase is Phase.HEAD:
            if self._served and self._seen == 0:
                self.deadline = time.monotonic() + self.server.limits.header
            end = self._buffer.find(b"\r\n\r\n", max(0, self._seen - 3))
            self._seen = len(self._buffer)
            if end > self.server.limits.max_header or (end < 0 and self._seen > self.server.limits.max_header):
                raise Refused(431)
            if end < 0:
                return False
            self._begin(bytes(self._buffer[: end + 4]))
        return self._body()

    def _begin(self, head: bytes) -> None:
        del self._buffer[: len(head)]
        self.request = Request(self, head)
        self.request.parse_request()
        self._served = True
        self.phase = Phase.BODY
        self._begun = time.monotonic()
        self.deadline = self._begun + self.server.limits.body
        self._decoder = Decoder(self.server.limits.max_header) if self.request.chunked_read else None
        self._left = self.request.declared_length or 0
        if self._left > self.server.limits.max_body:
            raise Refused(413)
        self.flush()  # "100 Continue"

    def _body(self) -> bool:
        if self._decoder is None:
            self.server.hold(self, min(len(self._buffer), self._left))
            if len(self._buffer) < self._left:
                return False
            self.body = bytes(self._buffer[: self._left])
            del self._buffer[: self._left]
        else:
            complete = self._decoder.take(self._buffer)
            if len(self._decoder.body) > self.server.limits.max_body:
                raise Refused(413)
            self.server.hold(self, len(self._decoder.body))
            if not complete:
                return False
            self.body = bytes(self._decoder.body)
            self._decoder = None
        self.phase = Phase.RUNNING
        self.deadline = float("inf")
        return True

    def again(self) -> None:
        """The answer is written; the next request may come."""
        self.body = b""
        self._seen = 0
        self.deadline = time.monotonic() + self.server.limits.idle
        self.phase = Phase.HEAD  # last: `Server.finish` may set the deadline of what is in this phase

    def refuse(self, status: int) -> Step:
        """Answer with an error, at once or not at all, and let the connection end."""
        if self.peer is not None and self.phase in {Phase.BODY, Phase.RUNNING}:
            self._tell(self.peer, status)
        try:
            self.tls.send(refusals.response(status))
        except SSL.Error:
            return Step.DEAD
        return self.finish()

    def _tell(self, peer: Peer, status: int) -> None:
        request, seconds = self.request, time.monotonic() - self._begun
        method = request.method.decode("ascii")
        try:
            self.server.refused(method, request.target, request.headers, peer, status, seconds)
        except Exception as error:  # the client gets its answer all the same
            report("refused", method, request.target, error)

    def finish(self) -> Step:
        """Say that no more will be written; linger."""
        self._buffer.clear()
        with contextlib.suppress(SSL.Error, OSError):
            self.tls.shutdown()
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)
        self.phase = Phase.LINGER
        self.deadline = time.monotonic() + _LINGER
        return Step.READ

    def expire(self) -> Step:
        """The deadline has passed."""
        with self.lock:
            return self.refuse(408) if self.phase is Phase.BODY else Step.DEAD

    def write(self, data: bytes) -> int:
        """Keep for `flush`; this is cheroot's `wfile`."""
        self._out += data
        return len(data)

    def flush(self) -> None:
        """Send what was written. TimeoutError when the peer takes nothing, other OSErrors when it has gone."""
        data, self._out = bytes(self._out), bytearray()
        view = memoryview(data)
        while view:
            try:
                with self.lock:
                    sent = self.tls.send(view[:_PIECE].tobytes())
            except SSL.WantWriteError:
                self._wait(select.POLLOUT)
            except SSL.WantReadError:
                self._wait(select.POLLIN)
            except SSL.Error:
                raise ConnectionResetError from None
            else:
                view = view[sent:]

    def _wait(self, event: int) -> None:
        poll = select.poll()
        poll.register(self.socket, event)
        if not poll.poll(self.server.limits.write * 1000):
            raise TimeoutError

    def cut(self) -> None:
        """End it under whoever uses it; the descriptor stays, so that nobody meets another's."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close once."""
        with self.lock:
            if self._closed:
                return
            self._closed = True
            self.watched = False
            with contextlib.suppress(OSError):
                self.socket.close()
        self.server.hold(self, 0)
        self.server.forget(self)
