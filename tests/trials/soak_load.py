"""What a server goes through in a soak: each a loop body that leaves nothing behind on the server, if that is well.

Must not know how memory is measured.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import socket
import ssl
from collections.abc import Callable

from openkes.client import AnswerError
from tests.servers import KeyServer, make_identity

CONTEXT = b"context"


class Load:
    """The kinds of clients of one server. Each method is one turn of one kind; `turns` has them all."""

    def __init__(self, server: KeyServer) -> None:
        self._server = server
        self._steady = server.client()
        self._steady.create_key("steady")
        self._stranger = make_identity(server.folder, "stranger")
        self._numbers = itertools.count()
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self._anonymous = context
        self._admin = ssl.create_default_context()
        self._admin.check_hostname, self._admin.verify_mode = False, ssl.CERT_NONE
        self._admin.load_cert_chain(server.admin.cert, server.admin.key)
        self.turns: dict[str, Callable[[], None]] = {
            "data calls": self.data_calls,
            "reconnects": self.reconnect,
            "keys that come and go": self.come_and_go,
            "bad requests": self.bad_request,
            "strangers": self.stranger,
            "broken handshakes": self.broken_handshake,
            "streams abandoned": self.abandon_stream,
            "half requests": self.half_request,
            "system calls": self.system_calls,
            "reloads": self.reload,
        }

    def close(self) -> None:
        self._steady.__exit__()

    def data_calls(self) -> None:
        for _ in range(20):
            plaintext, ciphertext = self._steady.generate("steady", CONTEXT)
            assert self._steady.decrypt("steady", ciphertext, CONTEXT) == plaintext
        self._steady.hmac("steady", os.urandom(1000))
        self._steady.encrypt("steady", os.urandom(100_000), CONTEXT)

    def reconnect(self) -> None:
        with self._server.client() as client:
            client.version()
            client.generate("steady")

    def come_and_go(self) -> None:
        name = f"soak-{next(self._numbers)}"
        self._steady.create_key(name)
        pair = self._steady.generate(name)
        self._steady.rotate_key(name)
        assert self._steady.decrypt(name, pair[1]) == pair[0]
        self._steady.delete_key(name)

    def bad_request(self) -> None:
        for call in (
            lambda: self._steady.describe_key(f"absent-{next(self._numbers)}"),
            lambda: self._steady.decrypt("steady", os.urandom(100)),
            lambda: self._steady.create_key("a" * 100),
            lambda: self._steady.encrypt("steady", bytes(2_000_000)),
        ):
            _refused(call)
        self._send(b"BREW /v1/key/create/x HTTP/1.1\r\nHost: k\r\nContent-Length: 5\r\n\r\n{nope")
        self._send(os.urandom(200) + b"\r\n\r\n")
        self._send(b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n\r\n")

    def stranger(self) -> None:
        with self._server.client(self._stranger) as client:
            for path in range(5):
                _refused(lambda path=path: client.generate(f"some-{path}-{next(self._numbers)}"))

    def broken_handshake(self) -> None:
        for data in (b"", b"\x16\x03\x01", os.urandom(100), b"GET / HTTP/1.1\r\n\r\n"):
            with contextlib.suppress(OSError), self._socket() as raw:
                raw.sendall(data)

    def abandon_stream(self) -> None:
        """A log stream that is read a little, then left without a word."""
        with contextlib.suppress(OSError), self._tls(self._admin) as connection:
            connection.sendall(b"GET /v1/log/audit HTTP/1.1\r\nHost: k\r\n\r\n")
            self._steady.generate("steady")
            connection.recv(random.choice((1, 4096)))

    def half_request(self) -> None:
        with contextlib.suppress(OSError), self._tls(self._admin) as connection:
            connection.sendall(b"PUT /v1/key/generate/steady HTTP/1.1\r\nHost: k\r\nContent-Length: 1000\r\n\r\n{")

    def system_calls(self) -> None:
        self._steady.status()
        self._steady.metrics()
        self._steady.list_keys()
        self._steady.describe_self()

    def reload(self) -> None:
        self._server.reload()

    def _send(self, data: bytes) -> None:
        with contextlib.suppress(OSError), self._tls(self._admin) as connection:
            connection.sendall(data)
            connection.recv(100)

    def _socket(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._server.port), timeout=10)

    def _tls(self, context: ssl.SSLContext) -> ssl.SSLSocket:
        return context.wrap_socket(self._socket())


def _refused(call: Callable[[], object]) -> None:
    try:
        call()
    except AnswerError as error:
        if error.status < 500:
            return
        raise
    raise AssertionError("a bad request was answered 200")
