"""HTTP/1.1, the same from both engines: targets, lengths, heads, pipelines, and what is malformed."""

from __future__ import annotations

import base64
from contextlib import suppress

import pytest

from openkes.front import Limits
from tests.front.conftest import Serve
from tests.front.wire import Wire

TARGETS = [
    "/",
    "/v1/key/describe/../../status",
    "/v1//key///x",
    "//localhost/x",
    "/%2e%2e/%2F/%00/%zz",
    "/a%20b+c;d=e?x=%26&y=/../z??",
    "/hot/./..//%2F?a=b",
    "/" + "k" * 4000,
]


@pytest.mark.parametrize("target", TARGETS)
def test_the_target_is_passed_on_as_sent(serve: Serve, target: str) -> None:
    with Wire(serve().address) as wire:
        assert wire.ask(target=target).json["target"] == target


def test_an_absolute_target_loses_its_host(serve: Serve) -> None:
    with Wire(serve().address) as wire:
        assert wire.ask(target="https://localhost/v1/../x?y=1").json["target"] == "/v1/../x?y=1"


@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "STRANGE", "get"])
@pytest.mark.parametrize("path", ["/hot", "/application"])
def test_the_method_is_passed_on_as_sent(serve: Serve, path: str, method: str) -> None:
    with Wire(serve().address) as wire:
        facts = wire.ask(method, path).json
        assert (facts["method"], facts["door"]) == (method, path[1:])


CHUNKED = ("Transfer-Encoding: chunked",)
LENGTHS = [
    pytest.param((), b"", None, b"", id="nothing"),
    pytest.param(("Content-Length: 0",), b"", 0, b"", id="declared-empty"),
    pytest.param(("Content-Length: 2",), b"{}", 2, b"{}", id="declared"),
    pytest.param(CHUNKED, b"0\r\n\r\n", None, b"", id="chunked-empty"),
    pytest.param(CHUNKED, b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n", None, b"{}", id="chunked"),
    pytest.param(CHUNKED, b"2;x=y\r\n{}\r\n0\r\nX: y\r\n\r\n", None, b"{}", id="chunked-trailers"),
    pytest.param((*CHUNKED, "Content-Length: 7"), b"0\r\n\r\n", None, b"", id="both"),
]


@pytest.mark.parametrize("path", ["/hot", "/application"])
@pytest.mark.parametrize(("headers", "sent", "declared", "body"), LENGTHS)
def test_what_is_declared_and_what_is_sent(
    serve: Serve, path: str, headers: tuple[str, ...], sent: bytes, declared: int | None, body: bytes
) -> None:
    with Wire(serve().address) as wire:
        wire.send("\r\n".join((f"PUT {path} HTTP/1.1", "Host: x", *headers, "\r\n")).encode() + sent)
        facts = wire.reply().json
        assert (facts["declared_length"], base64.b64decode(facts["body"])) == (declared, body)
        if len(headers) == 2:  # two truths about the length: who knows what comes behind it
            assert wire.ended()
        else:
            assert wire.ask(target="/hot/next").json["target"] == "/hot/next"


@pytest.mark.parametrize("path", ["/hot", "/application"])
def test_a_body_of_every_byte_in_small_pieces(serve: Serve, path: str) -> None:
    body = bytes(range(256)) * 64
    with Wire(serve().address) as wire:
        wire.send(f"PUT {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        for start in range(0, len(body), 1000):
            part = body[start : start + 1000]
            wire.send(b"%x\r\n" % len(part))
            wire.send(part + b"\r\n")
        wire.send(b"0\r\n\r\n")
        assert base64.b64decode(wire.reply().json["body"]) == body


def test_a_head_byte_by_byte(serve: Serve) -> None:
    with Wire(serve().address) as wire:
        for byte in b"PUT /hot HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}":
            wire.send(bytes([byte]))
        assert wire.reply().json["body"] == "e30="


def test_headers_reach_the_application(serve: Serve) -> None:
    with Wire(serve().address) as wire:
        facts = wire.ask(headers=("X-Tls-Client-Cert: a%20b", "X-Two: 1", "x-two: 2", "X-Latin: \u00e9")).json
        pairs = [tuple(pair) for pair in facts["headers"]]
        assert ("x-tls-client-cert", "a%20b") in pairs
        assert [pair for pair in pairs if pair[0] == "x-two"] == [("x-two", "1"), ("x-two", "2")]
        assert ("x-latin", "\u00c3\u00a9") in pairs  # bytes as sent, a character each


def test_head_gets_the_length_and_no_body(serve: Serve) -> None:
    with Wire(serve().address) as wire:
        for path in ("/hot", "/application"):
            reply = wire.ask("HEAD", path)
            assert (reply.status, reply.body) == (200, b"")
            assert int(reply.headers["content-length"]) > 0
        assert wire.ask(target="/hot").status == 200


def test_an_expectation_is_met(serve: Serve) -> None:
    with Wire(serve().address) as wire:
        wire.send(b"PUT /hot HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert wire.head()[0] == 100
        wire.send(b"{}")
        assert wire.reply().json["body"] == "e30="


def test_an_expectation_of_too_much_is_refused_before_it_is_sent(serve: Serve) -> None:
    with Wire(serve(limits=Limits(max_body=10, drain=2)).address) as wire:
        wire.send(b"PUT /hot HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n")
        assert wire.reply().status == 413


def test_pipelined_requests_are_answered_in_order(serve: Serve) -> None:
    with Wire(serve().address) as wire:
        wire.send(
            b"GET /hot/1 HTTP/1.1\r\nHost: x\r\n\r\n"
            b"PUT /application/2 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
            b"PUT /hot/3 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
            b"GET /application/4 HTTP/1.1\r\nHost: x\r\n\r\n"
        )
        targets = [wire.reply().json["target"] for _ in range(4)]
        assert targets == ["/hot/1", "/application/2", "/hot/3", "/application/4"]


def test_close_is_honoured(serve: Serve) -> None:
    with Wire(serve().address) as wire:
        assert wire.ask(headers=("Connection: close",)).headers["connection"] == "close"
        assert wire.ended()


def test_http_1_0_is_answered_and_closed(serve: Serve) -> None:
    with Wire(serve().address) as wire:
        wire.send(b"GET /hot HTTP/1.0\r\n\r\n")
        assert wire.reply().status == 200
        assert wire.ended()


MALFORMED = [
    pytest.param(b"rubbish\r\n\r\n", id="no-request-line"),
    pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n", id="binary"),
    pytest.param(b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", id="version"),
    pytest.param(b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", id="space-in-name"),
    pytest.param(b"GET / HTTP/1.1\r\nno colon\r\n\r\n", id="no-colon"),
    pytest.param(b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", id="folded"),
    pytest.param(b"GET / HTTP/1.1\r\nA: \0\r\n\r\n", id="zero-byte"),
    pytest.param(b"PUT / HTTP/1.1\r\nContent-Length: +2\r\n\r\n{}", id="signed-length"),
    pytest.param(b"PUT / HTTP/1.1\r\nContent-Length: -2\r\n\r\n{}", id="negative-length"),
    pytest.param(b"PUT / HTTP/1.1\r\nContent-Length: 2_0\r\n\r\n{}", id="underscore-length"),
    pytest.param(b"PUT / HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", id="two-lengths"),
    pytest.param(b"PUT / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n{}", id="encoding"),
    pytest.param(b"PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="chunked-1.0"),
    pytest.param(b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n", id="chunk-size"),
    pytest.param(b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}XX0\r\n\r\n", id="chunk-end"),
    pytest.param(b"CONNECT localhost:1 HTTP/1.1\r\nHost: x\r\n\r\n", id="connect"),
]


@pytest.mark.parametrize("sent", MALFORMED)
def test_what_is_malformed_is_400_in_json(serve: Serve, sent: bytes) -> None:
    served = serve()
    with Wire(served.address) as wire:
        wire.send(sent)
        reply = wire.reply()
        assert (reply.status, reply.message) == (400, "malformed request")
        assert reply.headers["content-type"] == "application/json"
        assert wire.ended()
    assert served.doors.peers == []


def test_plain_http_on_the_port_disturbs_nobody(serve: Serve) -> None:
    from tests.front.wire import connect_tcp

    address = serve().address
    with connect_tcp(address) as sock, suppress(ConnectionError):
        sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        sock.recv(100)
    with Wire(address) as wire:
        assert wire.ask().status == 200
