"""JSON over HTTPS to several endpoints: what counts as done, and which endpoint is asked next."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from openkes.keystore import Unreachable
from openkes.keystore.http import ClientTLS, Endpoints, MaybeDone


class Server(ThreadingHTTPServer):
    daemon_threads = True
    status = 200
    body = b'{"ok": true}'
    mute = False

    def __init__(self, authority: trustme.CA | None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[tuple[str, str, bytes]] = []
        if authority is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert("127.0.0.1").configure_cert(context)
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.url = f"http{'s' if authority else ''}://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append((self.command, self.path, content))
        if self.server.mute:
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    do_PUT = do_GET

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serving(authority: trustme.CA | None = None) -> Iterator[Server]:
    server = Server(authority)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def nobody() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def test_sends_and_reads_json() -> None:
    with serving() as server:
        answer = Endpoints((server.url,), ClientTLS()).call("PUT", "/v1/x", {"a": 1})
    assert (answer.status, answer.document) == (200, {"ok": True})
    assert [(m, p, json.loads(b)) for m, p, b in server.seen] == [("PUT", "/v1/x", {"a": 1})]


def test_another_endpoint_is_asked_when_the_first_is_gone_and_then_stays() -> None:
    with serving() as server:
        endpoints = Endpoints((nobody(), server.url), ClientTLS())
        assert endpoints.call("PUT", "/", {}).status == 200
        assert endpoints._first == 1


def test_one_that_did_not_answer_is_asked_last_from_then_on() -> None:
    with serving() as mute, serving() as other:
        mute.mute = True
        endpoints = Endpoints((mute.url, other.url), ClientTLS())
        with pytest.raises(MaybeDone):
            endpoints.call("PUT", "/", {})
        assert endpoints.call("PUT", "/", {}).status == 200
    assert len(mute.seen) == 1


def test_a_silent_one_is_waited_for_until_then_and_the_next_is_not_asked() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, serving() as other:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        endpoints = Endpoints((url, other.url), ClientTLS())
        with pytest.raises(MaybeDone, match=r"no answer in time$"):
            endpoints.call("GET", "/", repeatable=True, until=time.monotonic() + 0.1)
    assert other.seen == []


def test_one_endpoint_is_not_waited_for_longer_than_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, serving() as other:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        endpoints = Endpoints((url, other.url), ClientTLS(), read_seconds=0.1)
        assert endpoints.call("GET", "/", repeatable=True).status == 200


def test_another_one_can_be_asked_first() -> None:
    with serving() as one, serving() as two:
        endpoints = Endpoints((one.url, two.url), ClientTLS())
        endpoints.pass_on()
        endpoints.call("GET", "/")
    assert (len(one.seen), len(two.seen)) == (0, 1)


def test_a_call_that_may_be_done_is_not_repeated() -> None:
    with serving() as mute, serving() as other:
        mute.mute = True
        with pytest.raises(MaybeDone):
            Endpoints((mute.url, other.url), ClientTLS()).call("PUT", "/", {})
    assert other.seen == []


def test_a_repeatable_call_is_repeated_elsewhere() -> None:
    with serving() as mute, serving() as other:
        mute.mute = True
        assert Endpoints((mute.url, other.url), ClientTLS()).call("GET", "/", repeatable=True).status == 200


def test_an_unwanted_status_asks_the_next_and_the_last_one_is_handed_on() -> None:
    with serving() as one, serving() as two:
        one.status = two.status = 503
        answer = Endpoints((one.url, two.url), ClientTLS()).call("GET", "/", unwanted=frozenset({503}))
    assert answer.status == 503
    assert (len(one.seen), len(two.seen)) == (1, 1)


def test_what_is_no_json_is_text() -> None:
    with serving() as server:
        server.body = b"<html>502"
        answer = Endpoints((server.url,), ClientTLS()).call("GET", "/")
    assert answer.document == {"text": "<html>502"}


def test_the_certificate_is_checked(tmp_path: Path) -> None:
    ca, foreign = trustme.CA(), trustme.CA()
    for name, authority in (("ca.pem", ca), ("foreign.pem", foreign)):
        authority.cert_pem.write_to_path(tmp_path / name)
    with serving(ca) as server:
        assert Endpoints((server.url,), ClientTLS(ca=tmp_path / "ca.pem")).call("GET", "/").status == 200
        with pytest.raises(Unreachable, match="its certificate is not trusted"):
            Endpoints((server.url,), ClientTLS(ca=tmp_path / "foreign.pem")).call("GET", "/")


def test_a_bad_ca_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(Unreachable, match=r"cannot use the TLS files .*ca\.pem"):
        Endpoints(("https://127.0.0.1:1",), ClientTLS(ca=tmp_path / "ca.pem"))


def test_closed() -> None:
    with serving() as server:
        endpoints = Endpoints((server.url,), ClientTLS())
        endpoints.close()
        with pytest.raises(Unreachable, match="closed"):
            endpoints.call("GET", "/")


def test_nobody_there_names_the_endpoint_and_why() -> None:
    url = nobody()
    with pytest.raises(Unreachable, match=f"{url}: Connection refused"):
        Endpoints((url,), ClientTLS()).call("GET", "/")
