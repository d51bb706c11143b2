"""Lines to the machine's syslog: facility auth, severity info, tag `kes`, as logging.handlers.SysLogHandler does.

That handler hides failures and waits without end; an audit log may do neither.
"""

from __future__ import annotations

import os
import socket
from logging.handlers import SysLogHandler

from openkes.server.audit.sinks import NotWritten

SOCKET = "/dev/log"
_PRIORITY = SysLogHandler.LOG_AUTH << 3 | SysLogHandler.LOG_INFO


class SyslogSink:
    """A datagram or a stream socket, whichever listens at `path`. OSError when nobody does."""

    def __init__(self, path: str = SOCKET) -> None:
        self.name = f"syslog ({path})"
        self._path = path
        self._head = f"<{_PRIORITY}>kes[{os.getpid()}]: ".encode()
        self._socket: socket.socket | None = None
        self._closed = False
        self._connect(1.0)

    def _connect(self, patience: float) -> socket.socket:
        failure: OSError | None = None
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            connection = socket.socket(socket.AF_UNIX, kind)
            connection.settimeout(patience)
            try:
                connection.connect(self._path)
            except OSError as error:
                connection.close()
                failure = error
            else:
                self._socket = connection
                return connection
        assert failure is not None  # noqa: S101 - the loop has run
        raise failure

    def write(self, lines: list[bytes], patience: float) -> None:
        for done, line in enumerate(lines):
            try:
                self._send(self._head + line, patience)
            except OSError as error:
                self._drop()
                raise NotWritten(done, error.strerror or str(error)) from None

    def _send(self, message: bytes, patience: float) -> None:
        if self._closed:
            raise OSError(0, "it is closed")
        try:
            self._try(self._socket or self._connect(patience), message, patience)
        except (ConnectionError, BrokenPipeError, FileNotFoundError):
            # syslog was restarted: its socket is a new one
            self._drop()
            self._try(self._connect(patience), message, patience)

    @staticmethod
    def _try(connection: socket.socket, message: bytes, patience: float) -> None:
        connection.settimeout(patience)
        # NUL ends a message on a stream; a datagram is a message.
        connection.sendall(message + b"\0" if connection.type == socket.SOCK_STREAM else message)

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def last(self) -> str:
        return ""

    def close(self) -> None:
        self._closed = True
        self._drop()
