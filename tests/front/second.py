"""HTTP/2 by `h2` over TLS, down to single frames."""

from __future__ import annotations

import ssl
from typing import Any

import h2.config
import h2.connection
import h2.events

from tests.front.certificates import Client
from tests.front.wire import Reply, connect_tls


class Second:
    """One connection. Also a context manager."""

    def __init__(self, address: tuple[str, int], client: Client | None = None) -> None:
        self.sock = connect_tls(address, client, alpn="h2")
        assert self.sock.selected_alpn_protocol() == "h2"
        config = h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
        self.h2 = h2.connection.H2Connection(config)
        self.h2.initiate_connection()
        self.flush()
        self.events: list[Any] = []
        self._bytes = b""

    def __enter__(self) -> Second:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.sock.close()

    def flush(self) -> None:
        self.sock.sendall(self.h2.data_to_send())

    def begin(
        self,
        method: str = "GET",
        target: str = "/",
        headers: tuple[tuple[str, str], ...] = (),
        *,
        end: bool = True,
    ) -> int:
        """Send a head; the stream's number."""
        stream = self.h2.get_next_available_stream_id()
        named = [(":method", method), (":path", target), (":scheme", "https"), (":authority", "localhost")]
        self.h2.send_headers(stream, [*named, *headers], end_stream=end)
        self.flush()
        return int(stream)

    def data(self, stream: int, data: bytes, *, end: bool = True) -> None:
        """Send within the windows, waiting for them to open."""
        while len(data) > (room := self.h2.local_flow_control_window(stream)) or len(data) > 16384:
            step = min(room, 16384, len(data))
            if step == 0:
                self.pump()
                continue
            self.h2.send_data(stream, data[:step])
            data = data[step:]
            self.flush()
        self.h2.send_data(stream, data, end_stream=end)
        self.flush()

    def pump(self) -> None:
        """Wait for bytes and turn them into events. EOFError at the end of the connection."""
        data = self.sock.recv(65536)
        if not data:
            raise EOFError("the connection ended")
        self._bytes += data
        while len(self._bytes) >= 9 and len(self._bytes) >= (size := 9 + int.from_bytes(self._bytes[:3], "big")):
            fresh = self.h2.receive_data(self._bytes[:size])
            self._bytes = self._bytes[size:]
            self.events += fresh
            for event in fresh:
                if isinstance(event, h2.events.DataReceived):
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                if isinstance(event, h2.events.ConnectionTerminated) and event.error_code == 0:
                    # GOAWAY ends no stream that runs, and pings still want an answer; `h2` knows no such state.
                    self.h2.state_machine.state = h2.connection.ConnectionState.CLIENT_OPEN
        self.flush()

    def wait(self, kind: type, stream: int | None = None) -> Any:
        """The first event of this kind (of this stream)."""
        while True:
            for event in self.events:
                if isinstance(event, kind) and stream in {None, getattr(event, "stream_id", None)}:
                    return event
            self.pump()

    def reply(self, stream: int) -> Reply:
        head = dict(self.wait(h2.events.ResponseReceived, stream).headers)
        self.wait(h2.events.StreamEnded, stream)
        data = (e for e in self.events if isinstance(e, h2.events.DataReceived) and e.stream_id == stream)
        return Reply(int(head.pop(":status")), head, b"".join(e.data for e in data))

    def ask(self, method: str = "GET", target: str = "/", body: bytes | None = None) -> Reply:
        """A request; `body` is sent without Content-Length, as Go's client does."""
        stream = self.begin(method, target, end=body is None)
        if body is not None:
            self.data(stream, body)
        return self.reply(stream)

    def until_end(self) -> None:
        """Read until the other end closes."""
        try:
            while True:
                self.pump()
        except (EOFError, ConnectionError, ssl.SSLEOFError):
            return
