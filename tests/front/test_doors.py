"""Which door answers, on which thread, and what becomes of one that fails."""

from __future__ import annotations

import json
import logging
import threading
from contextlib import ExitStack
from typing import Any

import pytest

from openkes import front
from openkes.front import Peer
from tests.front.conftest import QUICK, HeldUp, Serve
from tests.front.wire import PATIENCE, Wire


def test_hot_answers_or_passes_on(serve: Serve) -> None:
    with Wire(serve().address) as wire:
        assert wire.ask(target="/hot").json["door"] == "hot"
        assert wire.ask("PUT", "/other", b"{}").json | {} == {
            **wire.ask("PUT", "/other", b"{}").json,
            "door": "application",
            "body": "e30=",
            "declared_length": 2,
        }


def test_an_answer_of_hot_is_json(serve: Serve) -> None:
    with Wire(serve().address) as wire:
        assert wire.ask(target="/hot").headers["content-type"] == "application/json"


def test_an_empty_answer_of_hot_has_no_type(serve: Serve) -> None:
    with Wire(serve(hot=lambda *_: (200, b"")).address) as wire:
        reply = wire.ask()
        assert (reply.status, reply.body, reply.headers["content-length"]) == (200, b"", "0")
        assert "content-type" not in reply.headers


@pytest.mark.parametrize("status", [200, 204, 304, 400, 404, 503, 599])
def test_statuses_of_both_doors(serve: Serve, status: int) -> None:
    served = serve(
        hot=lambda _m, path, *_: (status, b"") if path == "/hot" else None,
        application=lambda *_: (status, [("content-length", "0")], [b""]),
    )
    with Wire(served.address) as wire:
        assert [wire.ask(target=path).status for path in ("/hot", "/application")] == [status, status]


def test_one_call_of_hot_at_a_time(serve: Serve) -> None:
    inside, most = 0, 0

    def hot(*_: object) -> tuple[int, bytes]:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        json.dumps(list(range(2000)))  # long enough for another thread to come in, were it let
        inside -= 1
        return 200, b"{}"

    address = serve(hot=hot).address

    def ask() -> None:
        with Wire(address) as wire:
            for _ in range(20):
                assert wire.ask().status == 200

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_the_application_runs_in_parallel(serve: Serve) -> None:
    together = threading.Barrier(4, timeout=PATIENCE)

    def application(*_: object) -> front.Response:
        together.wait()
        return 200, [], [b"together"]

    address = serve(application=application).address
    with ExitStack() as stack:
        wires = [stack.enter_context(Wire(address)) for _ in range(4)]
        for wire in wires:
            wire.send(b"GET /application HTTP/1.1\r\nHost: x\r\n\r\n")
        assert [wire.reply().body for wire in wires] == [b"together"] * 4


def test_hot_answers_while_the_application_is_busy(serve: Serve) -> None:
    free = threading.Event()

    def application(*_: object) -> front.Response:
        assert free.wait(PATIENCE)
        return 200, [], [b"late"]

    served = serve(
        hot=lambda _m, path, *_: (200, b"{}") if path == "/hot" else None,
        application=application,
        limits=front.Limits(threads=4, drain=2),
    )
    with Wire(served.address) as slow, Wire(served.address) as quick:
        slow.send(b"GET /application HTTP/1.1\r\nHost: x\r\n\r\n")
        assert quick.ask(target="/hot").status == 200
        free.set()
        assert slow.reply().body == b"late"


PLAINTEXT = "the plaintext key"  # a log shows the failing line, so it must not stand there


class Secret(Exception):
    """Its text must not get into a log."""


def failing(*_: object) -> Any:
    raise Secret(PLAINTEXT)


def test_hot_that_fails_is_500_and_goes_on(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    served = serve(hot=lambda _m, path, *_: failing() if path == "/fail" else (200, b"{}"))
    with Wire(served.address) as wire, caplog.at_level(logging.ERROR, logger="openkes.front"):
        for _ in range(3):
            reply = wire.ask("PUT", "/fail", b"the body")
            assert (reply.status, reply.message) == (500, "internal server error")
            assert reply.headers["content-type"] == "application/json"
        assert wire.ask().status == 200
    assert len(caplog.records) == 3
    text = caplog.text
    assert "hot door failed on PUT '/fail'" in text
    assert "Secret" in text
    assert "in failing" in text
    assert "plaintext" not in text
    assert "the body" not in text


def test_an_application_that_fails_is_500_and_goes_on(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    def application(_method: str, target: str, *_: object) -> front.Response:
        if target == "/fail":
            failing()
        return 200, [], [b"fine"]

    served = serve(application=application, limits=front.Limits(threads=1, drain=2))
    with Wire(served.address) as wire, caplog.at_level(logging.ERROR, logger="openkes.front"):
        for _ in range(3):
            assert wire.ask(target="/fail").status == 500
        assert wire.ask(target="/fine").body == b"fine"
    assert caplog.text.count("application door failed on GET '/fail'") == 3
    assert "plaintext" not in caplog.text


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError, RecursionError])
@pytest.mark.parametrize("door", ["hot", "application"])
def test_no_exception_ends_a_thread(
    serve: Serve, caplog: pytest.LogCaptureFixture, door: str, error: type[BaseException]
) -> None:
    def fail() -> Any:
        raise error

    served = serve(
        hot=lambda _m, path, *_: fail() if path == "/fail" and door == "hot" else None,
        application=lambda _m, target, *_: fail() if target == "/fail" else (200, [], [b"fine"]),
        limits=front.Limits(threads=1, drain=2),
    )
    with Wire(served.address) as wire:
        assert wire.ask(target="/fail").status == 500
        assert wire.ask(target="/fine").body == b"fine"
    assert error.__name__ in caplog.text


NONSENSE = [
    pytest.param("nonsense", id="text"),
    pytest.param((200,), id="too-short"),
    pytest.param((200, "text"), id="text-body"),
    pytest.param((99, b""), id="low-status"),
    pytest.param((100000, b""), id="high-status"),
]


@pytest.mark.parametrize("answer", NONSENSE)
def test_nonsense_of_hot_is_500(serve: Serve, answer: Any) -> None:
    served = serve(hot=lambda _m, path, *_: answer if path == "/fail" else (200, b"{}"))
    with Wire(served.address) as wire:
        assert wire.ask(target="/fail").status == 500
        assert wire.ask().status == 200


BAD_ANSWERS = [
    pytest.param(None, id="none"),
    pytest.param((200, [], ["text"]), id="text-chunks"),
    pytest.param((100, [], [b""]), id="status"),
    pytest.param((200, [("bad name", "x")], [b""]), id="header-name"),
    pytest.param((200, [("x", "a\r\nset-cookie: b")], [b""]), id="header-injection"),
]


@pytest.mark.parametrize("answer", BAD_ANSWERS)
def test_nonsense_of_the_application_is_500(serve: Serve, answer: Any) -> None:
    served = serve(application=lambda _m, target, *_: answer if target == "/fail" else (200, [], [b"fine"]))
    with Wire(served.address) as wire:
        reply = wire.ask(target="/fail")
        assert (reply.status, reply.message) == (500, "internal server error")
        assert "set-cookie" not in reply.headers
        assert wire.ask(target="/fine").body == b"fine"


def test_headers_that_belong_to_the_connection_are_not_the_applications(serve: Serve) -> None:
    answer = 200, [("transfer-encoding", "gzip"), ("Connection", "upgrade"), ("X-Mine", "1")], [b"body"]
    with Wire(serve(application=lambda *_: answer).address) as wire:
        reply = wire.ask()
        assert (reply.body, reply.headers["x-mine"]) == (b"body", "1")
        assert reply.headers.get("connection", "") != "upgrade"
        assert "transfer-encoding" not in reply.headers


def test_peers_state_is_the_applications(serve: Serve) -> None:
    def hot(_method: str, _path: str, peer: Peer, *_: object) -> tuple[int, bytes]:
        peer.state = (peer.state or 0) + 1  # type: ignore[operator]
        return 200, json.dumps(peer.state).encode()

    address = serve(hot=hot).address
    with Wire(address) as one, Wire(address) as two:
        assert [one.ask().json, one.ask().json, two.ask().json, one.ask().json] == [1, 2, 1, 3]


def test_a_hot_door_that_was_held_up_costs_no_connection(serve: Serve) -> None:
    held = HeldUp()
    address = serve(hot=held.hot, limits=QUICK).address
    with ExitStack() as stack:
        wires = [stack.enter_context(Wire(address)) for _ in range(9)]
        wires[0].send(b"GET /hold HTTP/1.1\r\nHost: x\r\n\r\n")
        assert held.begun.wait(PATIENCE)
        for wire in wires[1:]:
            wire.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert [wire.reply().status for wire in wires] == [200] * 9
