"""A TCP proxy that loses what it is told to lose: a request before the server sees it, or an answer after the server
has done what was asked."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Proxy:
    """In front of `target`. `lost_requests` and `lost_answers`: how many of those that contain one of `marks` are lost
    from now on, each with its connection; `lost` counts them. `silent`: it accepts connections and hands nothing on."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.marks: tuple[bytes, ...] = ()
        self.lost_requests = 0
        self.lost_answers = 0
        self.lost = 0
        self.silent = False

    def serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connection, args=(client,), daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for one in self._sockets:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def _connection(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError), socket.create_connection(self._target) as server:
            with self._lock:
                self._sockets |= {client, server}
            doomed = threading.Event()
            back = threading.Thread(target=self._answers, args=(server, client, doomed), daemon=True)
            back.start()
            self._requests(client, server, doomed)
            back.join()
            with self._lock:
                self._sockets -= {client, server}

    def _requests(self, client: socket.socket, server: socket.socket, doomed: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                if self.silent:
                    continue
                if self.marks and any(mark in data for mark in self.marks):
                    if self._take("lost_requests"):
                        break
                    if self._take("lost_answers"):
                        doomed.set()
                server.sendall(data)
        if not doomed.is_set():
            _shut(client, server)

    def _answers(self, server: socket.socket, client: socket.socket, doomed: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                if doomed.is_set():
                    break
                client.sendall(data)
        _shut(client, server)

    def _take(self, what: str) -> bool:
        with self._lock:
            left: int = getattr(self, what)
            if left > 0:
                setattr(self, what, left - 1)
                self.lost += 1
            return left > 0


def _shut(*sockets: socket.socket) -> None:
    for one in sockets:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


@contextmanager
def lossy(target: tuple[str, int], *marks: bytes) -> Iterator[Proxy]:
    proxy = Proxy(target)
    proxy.marks = marks
    thread = threading.Thread(target=proxy.serve, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join()
