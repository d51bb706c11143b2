"""The listening socket, the selecting thread and the count of connections: cheroot's server, kept from blocking."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import queue
import selectors
import socket
import threading
import time
from collections import Counter
from typing import Any

from cheroot.connections import ConnectionManager
from cheroot.server import HTTPServer
from OpenSSL import SSL

from openkes.front.refusals import Refused
from openkes.front.report import report
from openkes.front.twin.call import Call
from openkes.front.twin.connection import Connection, Phase, Step
from openkes.front.types import Limits, OnRefusal

_BACKLOG = 4096  # a whole fleet may connect at once after a restart
_BETWEEN = {Phase.HANDSHAKE, Phase.HEAD}  # no request is lost when a connection ends here
_PAUSE = 0.1  # out of file descriptors: trying again at once would only burn the processor


class _Manager(ConnectionManager):
    """Accepts without handshake, and expires each connection by its own deadline."""

    _selector: Any  # not in cheroot's stubs
    _stop_requested: bool

    def _from_server_socket(self, server_socket: socket.socket | None) -> Connection | None:
        if server_socket is None:
            return None
        try:
            sock, address = server_socket.accept()
        except BlockingIOError:
            return None
        except OSError:
            if not self.server.stopping:
                time.sleep(_PAUSE)
            return None
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection: Connection | None = self.server.admit(sock, address[:2])
        return connection

    def _expire(self, threshold: float) -> None:
        now = time.monotonic()
        for fd, connection in list(self._selector.connections):
            if not isinstance(connection, Connection) or connection.deadline >= now:
                continue
            self._selector.unregister(fd)
            self.server.follow(connection, connection.expire())

    def watch(self, sock: socket.socket, events: int, data: object) -> None:
        self._selector.register(sock.fileno(), events, data=data)

    def leave(self, wake: socket.socket) -> None:
        """Wait until the selecting thread has left; cheroot's `stop` alone would wait for its next look."""
        self._stop_requested = True
        wake.send(b"x")
        self.stop()
        self._selector.close()

    def forget(self, sock: socket.socket) -> None:
        self._selector.unregister(sock.fileno())


class Server(HTTPServer):
    """Also `openkes.front.pool`'s Source."""

    def __init__(self, host: str, port: int, context: SSL.Context, limits: Limits, refused: OnRefusal) -> None:
        super().__init__((host, port), gateway=None, minthreads=1, server_name="openkes")
        self.context = context
        self.limits = limits
        self.refused = refused
        self.stopping = False
        self.max_request_body_size = 0  # `Connection` looks, when the rest of the head is read
        self.expiration_interval = min(0.5, max(0.05, min(limits.header, limits.idle, limits.handshake) / 4))
        self._ready: queue.SimpleQueue[Connection | None] = queue.SimpleQueue()
        self._gone: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._changed = threading.Condition()
        self._all: set[Connection] = set()
        self._per_peer: Counter[str] = Counter()
        self._bodies = 0
        self._wake = socket.socketpair()  # a byte in it ends the selecting thread's wait

    def listen(self) -> tuple[str, int]:
        """Bind. OSError with its errno; cheroot's `prepare` loses that, and would take a socket from systemd."""
        host, port = self.bind_addr
        failure = OSError("no address of that name")
        for family, kind, proto, _, address in socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM):
            self.bind_addr = address
            sock = self.prepare_socket(address, family, kind, proto, True, None)
            try:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind(address)
                sock.listen(_BACKLOG)
            except OSError as error:
                sock.close()
                failure = error
                continue
            sock.setblocking(False)
            self.socket = sock
            self.bind_addr = sock.getsockname()[:2]
            self._connections = _Manager(self)
            self._connections.watch(self._wake[0], selectors.EVENT_READ, None)
            self.ready = True
            bound: tuple[str, int] = self.bind_addr
            return bound
        raise failure

    def run(self) -> None:
        """Select until `leave`. An error in it costs one connection, not the thread."""
        while not self._connections._stop_requested:
            try:
                self._connections.run(self.expiration_interval)
            except Exception:
                self.error_log("the selecting thread failed")
                time.sleep(_PAUSE)

    def admit(self, sock: socket.socket, address: tuple[str, int]) -> Connection | None:
        """A new connection, or None when there are too many, in all or of this address."""
        host = str(ipaddress.ip_address(address[0].partition("%")[0]))
        with self._changed:
            full = len(self._all) >= self.limits.connections
            if full or self.stopping or self._per_peer[host] >= self.limits.connections_per_peer:
                sock.close()
                return None
            connection = Connection(self, sock, address)
            self._all.add(connection)
            self._per_peer[host] += 1
            return connection

    def forget(self, connection: Connection) -> None:
        """It is closed."""
        host = str(ipaddress.ip_address(connection.remote_addr.partition("%")[0]))
        with self._changed:
            self._all.discard(connection)
            self._per_peer[host] -= 1
            if not self._per_peer[host]:
                del self._per_peer[host]
            self._changed.notify_all()

    def hold(self, connection: Connection, count: int) -> None:
        """Count the bytes of a body. Refused when all bodies together are too much."""
        with self._changed:
            self._bodies += count - connection.held
            connection.held = count
            full = self._bodies > self.limits.max_bodies
        if full and count:
            raise Refused(503)

    @property
    def can_add_keepalive_connection(self) -> bool:
        """False: the answer says `Connection: close`."""
        return not self.stopping

    def process_conn(self, conn: Connection | None) -> None:
        """Read on, and do what follows from it. None: only to wake the selecting thread."""
        if conn is None:
            return
        try:
            self.follow(conn, conn.advance())
        except Exception as error:  # costs this connection, not the thread
            report("connection", "READ", conn.remote_addr, error)
            conn.close()

    def follow(self, connection: Connection, step: Step) -> None:
        """Take the next step of a connection that is not watched."""
        if step is Step.READY:
            if self._ready.qsize() >= self.limits.waiting:
                step = connection.refuse(503)
            else:
                self._ready.put(connection)
                return
        if step is Step.GONE:
            self.tell_gone(connection.number)
        elif step is Step.DEAD:
            connection.close()
        else:
            self.watch(connection, step)

    def watch(self, connection: Connection, step: Step) -> None:
        """Wait for the connection's next event."""
        events = selectors.EVENT_WRITE if step is Step.WRITE else selectors.EVENT_READ
        if self.stopping and connection.phase in _BETWEEN:
            connection.deadline = 0.0
        with connection.lock:
            connection.watched = True
            try:
                self._connections.watch(connection.socket, events, connection)
            except (ValueError, OSError):  # the selecting thread has left
                connection.close()

    def next_call(self) -> Call | None:
        """See `openkes.front.pool.Source`."""
        connection = self._ready.get()
        if connection is None:
            self._ready.put(None)  # for the next thread
            return None
        return Call(connection)

    def tell_gone(self, number: int) -> None:
        """Nobody listens to this stream."""
        self._gone.put(number)

    def next_gone(self) -> int | None:
        """See `openkes.front.pool.Source`."""
        return self._gone.get()

    def finish(self) -> None:
        """Stop accepting; end what is idle. Returns at once."""
        with self._changed:
            self.stopping = True
            connections = list(self._all)
        self._connections.forget(self.socket)
        self.socket.close()
        for connection in connections:
            if connection.phase in _BETWEEN:
                connection.deadline = 0.0

    def drain(self) -> bool:
        """Wait until every connection has ended, `Limits.drain` at most; True when none is left."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._all, self.limits.drain)

    def leave(self) -> None:
        """Cut what is left and let the threads go."""
        with self._changed:
            connections = list(self._all)
        for connection in connections:
            connection.cut()
        self._ready.put(None)
        self._gone.put(None)
        self._connections.leave(self._wake[1])
        for end in self._wake:
            end.close()
        for connection in connections:
            # What a pool's thread uses, that thread closes: under it, the descriptor might become another file's.
            if connection.phase not in {Phase.RUNNING, Phase.STREAMING}:
                connection.close()

    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:
        """cheroot's own log: kept out of stderr."""
        logging.getLogger("openkes.front").error("%s", msg, exc_info=False)
