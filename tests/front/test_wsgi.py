"""The WSGI adapter: environ as PEP 3333 has it and what is beyond, Flask's answers and streams."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from flask import Flask, Response, request

from openkes.front import Peer
from openkes.front.wsgi import application_from_wsgi, make_environ
from tests.front.conftest import Serve
from tests.front.wire import PATIENCE, Wire

PEER = Peer("192.0.2.7:1234", "ab" * 32, b"der", 1)


def environ(
    target: str = "/", *headers: tuple[str, str], body: bytes = b"", length: int | None = None
) -> dict[str, Any]:
    return make_environ("PUT", target, list(headers), PEER, length, body)


def test_environ() -> None:
    found = environ("/a%20b//%2F%c3%a9?x=%20", ("host", "kes.example:7373"), ("content-type", "text/plain"), body=b"{}")
    assert found["PATH_INFO"] == "/a b///\u00c3\u00a9"
    assert (found["QUERY_STRING"], found["RAW_URI"]) == ("x=%20", "/a%20b//%2F%c3%a9?x=%20")
    assert (found["CONTENT_LENGTH"], found["CONTENT_TYPE"], found["wsgi.input"].read()) == ("2", "text/plain", b"{}")
    assert (found["SERVER_NAME"], found["SERVER_PORT"]) == ("kes.example", "7373")
    assert (found["REMOTE_ADDR"], found["REMOTE_PORT"]) == ("192.0.2.7", "1234")
    assert found["openkes.peer"] is PEER
    assert found["openkes.declared_length"] is None


def test_a_length_that_was_sent_is_not_trusted() -> None:
    found = environ("/", ("content-length", "99"), ("transfer-encoding", "chunked"), body=b"{}", length=2)
    assert (found["CONTENT_LENGTH"], found["openkes.declared_length"]) == ("2", 2)
    assert not {"HTTP_CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING"} & set(found)


def test_a_header_cannot_be_forged_by_an_underscore() -> None:
    found = environ("/", ("x-tls-client-cert", "real"), ("x_tls_client_cert", "forged"), ("x-two", "1"), ("x-two", "2"))
    assert (found["HTTP_X_TLS_CLIENT_CERT"], found["HTTP_X_TWO"]) == ("real", "1,2")


class Body:
    """A WSGI body that can tell whether it was closed."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self.chunks = iter(chunks)
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        return self.chunks

    def close(self) -> None:
        self.closed += 1


def answer(wsgi: Any) -> tuple[int, list[tuple[str, str]], Any]:
    return application_from_wsgi(wsgi)("GET", "/", [], PEER, None, b"")  # type: ignore[return-value]


def test_chunks_are_handed_on_with_their_close() -> None:
    body = Body([b"a", b"b"])

    def wsgi(_environ: Any, start: Any) -> Body:
        start("201 Created", [("X-A", "1")])
        return body

    assert answer(wsgi) == (201, [("X-A", "1")], body)


def test_a_late_start_and_the_write_callable() -> None:
    closed = Body([])

    def wsgi(_environ: Any, start: Any) -> Body:
        def chunks() -> Iterator[bytes]:
            start("200 OK", [])(b"written ")
            yield b"yielded "
            yield b"later"

        closed.chunks = chunks()
        return closed

    status, _, chunks = answer(wsgi)
    assert (status, b"".join(chunks), closed.closed) == (200, b"written yielded later", 0)
    chunks.close()
    assert closed.closed == 1


def test_no_start_is_an_error() -> None:
    body = Body([])
    with pytest.raises(RuntimeError, match="start_response"):
        answer(lambda *_: body)
    assert body.closed == 1


def flask_app() -> Flask:
    app = Flask(__name__)

    @app.route("/echo", methods=["PUT"])
    def echo() -> dict[str, Any]:
        peer: Peer = request.environ["openkes.peer"]
        length = request.environ["openkes.declared_length"]
        return {"body": request.get_data(as_text=True), "length": length, "address": peer.address}

    @app.route("/fail")
    def fail() -> str:
        raise RuntimeError("the plaintext key")

    return app


def test_flask_behind_both_engines(serve: Serve) -> None:
    with Wire(serve(hot=lambda *_: None, application=application_from_wsgi(flask_app())).address) as wire:
        reply = wire.ask("PUT", "/echo", b"{}")
        assert reply.json["body"] == "{}"
        assert reply.json["length"] == 2
        assert reply.headers["content-type"] == "application/json"
        wire.send(b"PUT /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
        assert wire.reply().json["length"] is None
        head = wire.ask("HEAD", "/nowhere")
        assert (head.status, head.body) == (404, b"")
        assert wire.ask("GET", "/fail").status == 500
        assert wire.ask("PUT", "/echo", b"again").json["body"] == "again"


def test_a_stream_of_flask_is_closed_when_the_client_goes(serve: Serve) -> None:
    app, closed = Flask(__name__), threading.Event()

    class Quiet:
        """Says one line and then nothing, until it is closed."""

        def __init__(self) -> None:
            self.said = False

        def __iter__(self) -> Quiet:
            return self

        def __next__(self) -> bytes:
            if self.said:
                assert closed.wait(PATIENCE * 2)
                raise StopIteration
            self.said = True
            return b"line\n"

        def close(self) -> None:
            closed.set()

    @app.route("/stream")
    def stream() -> Response:
        return Response(Quiet(), mimetype="application/x-ndjson", direct_passthrough=True)

    with Wire(serve(hot=lambda *_: None, application=application_from_wsgi(app)).address) as wire:
        wire.send(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        assert wire.head()[0] == 200
        assert wire.chunk() == b"line\n"
    assert closed.wait(PATIENCE)
