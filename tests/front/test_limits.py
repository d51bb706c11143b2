"""What takes too long or is too much, and that the others do not notice."""

from __future__ import annotations

import dataclasses
import select
import threading
from contextlib import ExitStack

import pytest

from openkes import front
from openkes.front import Limits, Peer
from tests.front.certificates import Client
from tests.front.conftest import QUICK, Serve, until
from tests.front.wire import PATIENCE, Wire, connect_tcp

SLOW_HEAD = b"GET / HTTP/1.1\r\nHost: "


def closes(sock: object) -> bool:
    """True when the other end closes a plain socket within a test's patience."""
    try:
        return sock.recv(1) == b""  # type: ignore[attr-defined,no-any-return]
    except ConnectionError:
        return True


def test_half_handshakes_end_and_hold_up_nobody(serve: Serve) -> None:
    address = serve(limits=QUICK).address
    with ExitStack() as stack:
        halves = [stack.enter_context(connect_tcp(address)) for _ in range(50)]
        for number, sock in enumerate(halves):
            sock.sendall(b"\x16\x03\x01\x02\x00\x01"[: number % 7])
        with Wire(address) as wire:
            assert wire.ask().status == 200
        assert all(closes(sock) for sock in halves)


def test_slow_heads_end_and_hold_up_nobody(serve: Serve) -> None:
    address = serve(limits=dataclasses.replace(QUICK, threads=2)).address
    with ExitStack() as stack:
        slow = [stack.enter_context(Wire(address)) for _ in range(20)]
        for wire in slow:
            wire.send(SLOW_HEAD)
        with Wire(address) as wire:
            assert wire.ask().status == 200
        assert all(wire.ended() for wire in slow)


def test_a_connection_that_never_asks_ends(serve: Serve) -> None:
    with Wire(serve(limits=QUICK).address) as wire:
        assert wire.ended()


def test_a_slow_head_after_a_request_ends(serve: Serve) -> None:
    with Wire(serve(limits=dataclasses.replace(QUICK, idle=PATIENCE * 2)).address) as wire:
        assert wire.ask().status == 200
        wire.send(SLOW_HEAD)
        assert wire.ended()


def test_an_idle_connection_ends_after_its_time_and_not_after_the_heads(serve: Serve) -> None:
    limits = dataclasses.replace(QUICK, header=0.2, idle=1.0)
    pause = threading.Event()
    with Wire(serve(limits=limits).address) as wire:
        for _ in range(2):
            assert wire.ask().status == 200
            pause.wait(0.6)  # beyond the limit of a head, within that of idleness
        assert wire.ask().status == 200
        assert wire.ended()


@pytest.mark.parametrize("framing", ["Content-Length: 5", "Transfer-Encoding: chunked"])
def test_slow_bodies_are_408_and_hold_up_nobody(serve: Serve, framing: str) -> None:
    served = serve(limits=dataclasses.replace(QUICK, threads=2))
    with ExitStack() as stack:
        slow = [stack.enter_context(Wire(served.address)) for _ in range(10)]
        for wire in slow:
            wire.send(f"PUT /hot HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n".encode())
        with Wire(served.address) as wire:
            assert wire.ask(target="/application").status == 200
        for wire in slow:
            reply = wire.reply()
            assert (reply.status, reply.message) == (408, "request body too slow")
            assert wire.ended()
    assert [path for path in served.doors.hot_calls if path == "/hot"] == []
    assert served.doors.refusals == [("PUT", "/hot", 408)] * 10
    assert all(QUICK.body <= seconds < QUICK.body + PATIENCE for *_, seconds in served.doors.told)


SMALL = Limits(max_body=1000, drain=2)


@pytest.mark.parametrize("size", [1001, 4001, 3_000_000])
def test_a_body_declared_too_large_is_413(serve: Serve, size: int) -> None:
    served = serve(limits=SMALL)
    with Wire(served.address) as wire:
        wire.send(f"PUT /hot HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode())
        try:
            wire.send(bytes(size))
        except ConnectionError:  # the server may have closed meanwhile, after a while of listening
            assert size > 1_000_000
        reply = wire.reply()
        assert (reply.status, reply.message) == (413, "request body too large")
    assert served.doors.refusals == [("PUT", "/hot", 413)]


@pytest.mark.parametrize("chunks", [2, 20])
def test_a_chunked_body_that_becomes_too_large_is_413(serve: Serve, chunks: int) -> None:
    served = serve(limits=SMALL)
    with Wire(served.address) as wire:
        wire.send(b"PUT /hot HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(chunks):
            wire.send(b"1f4\r\n" + bytes(500) + b"\r\n")
        wire.send(b"1\r\n!\r\n0\r\n\r\n")
        reply = wire.reply()
        assert (reply.status, reply.message) == (413, "request body too large")
    assert served.doors.refusals == [("PUT", "/hot", 413)]


def test_who_is_told_of_a_refusal_has_all_of_the_head(serve: Serve, p256: Client) -> None:
    served = serve(limits=SMALL)
    with Wire(served.address, p256) as wire:
        assert wire.ask("PUT", "/hot?query", bytes(1001), headers=("X-A: b",)).status == 413
    assert served.doors.refusals == [("PUT", "/hot?query", 413)]
    ((_, _, headers, peer, _, _),) = served.doors.told
    assert ("x-a", "b") in headers
    assert peer.identity == p256.identity


def test_a_refusal_is_answered_whatever_becomes_of_who_is_told(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    text = "what it was about"

    def fails(*_: object) -> None:
        raise RuntimeError(text)

    served = serve(refused=fails, limits=SMALL)
    with Wire(served.address) as wire:
        assert wire.ask("PUT", "/hot", bytes(1001)).status == 413
    with Wire(served.address) as wire:
        assert wire.ask().status == 200
    assert "refused door failed on PUT '/hot'" in caplog.text
    assert text not in caplog.text


def test_a_body_of_just_the_limit_passes(serve: Serve) -> None:
    with Wire(serve(limits=SMALL).address) as wire:
        assert wire.ask("PUT", "/hot", bytes(1000)).json["declared_length"] == 1000


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"GET /hot HTTP/1.1\r\nA: " + b"a" * 20_000 + b"\r\n\r\n", id="one-long"),
        pytest.param(b"GET /hot HTTP/1.1\r\n" + b"A: b\r\n" * 101 + b"\r\n", id="many"),
        pytest.param(b"GET /hot HTTP/1.1\r\nA: " + b"a" * 500_000, id="endless"),
    ],
)
def test_a_head_too_large_is_431(serve: Serve, head: bytes) -> None:
    served = serve(limits=Limits(max_header=10_000, drain=2))
    with Wire(served.address) as wire:
        wire.send(head)
        reply = wire.reply()
        assert (reply.status, reply.message) == (431, "request header too large")
    assert served.doors.peers == []
    assert served.doors.refusals == []


def test_a_head_of_just_under_the_limit_passes(serve: Serve) -> None:
    with Wire(serve(limits=Limits(max_header=10_000, drain=2)).address) as wire:
        assert wire.ask(headers=("A: " + "a" * 9_000,)).status == 200


def test_too_many_bodies_at_a_moment_are_503(serve: Serve) -> None:
    served = serve(limits=Limits(max_bodies=500, drain=2))
    with Wire(served.address) as wire:
        assert wire.ask("PUT", "/hot", bytes(600)).status == 503
    assert served.doors.refusals == [("PUT", "/hot", 503)]
    with Wire(serve(limits=Limits(max_bodies=500, drain=2)).address) as wire:
        for _ in range(5):  # what is answered counts no more
            assert wire.ask("PUT", "/application", bytes(400)).status == 200


@pytest.mark.parametrize(
    "limit", [{"connections": 3}, {"connections_per_peer": 3}], ids=lambda limit: next(iter(limit))
)
def test_connections_are_counted(serve: Serve, limit: dict[str, int]) -> None:
    address = serve(limits=Limits(drain=2, **limit)).address
    wires = [Wire(address) for _ in range(3)]
    for wire in wires:
        assert wire.ask().status == 200
    with connect_tcp(address) as sock:
        assert closes(sock)
    wires.pop().close()

    def admitted() -> bool:
        try:
            with Wire(address) as wire:
                return wire.ask().status == 200
        except (OSError, EOFError):
            return False

    until(admitted)
    for wire in wires:
        assert wire.ask().status == 200
        wire.close()


def test_more_waiting_calls_than_anybody_would_wait_for_are_503(serve: Serve) -> None:
    free, busy = threading.Event(), threading.Semaphore(0)

    def application(*_: object) -> front.Response:
        busy.release()
        assert free.wait(PATIENCE)
        return 200, [], [b"late"]

    def warm(_method: str, path: str, _peer: Peer, _length: int | None, _body: bytes) -> tuple[int, bytes] | None:
        return (200, b"{}") if path == "/warm" else None

    served = serve(hot=warm, application=application, limits=Limits(threads=2, waiting=3, drain=2))
    with ExitStack() as stack:
        stack.callback(free.set)
        wires = [stack.enter_context(Wire(served.address)) for _ in range(6)]
        for wire in wires:
            assert wire.ask(target="/warm").status == 200  # what TLS itself still sends is read
        for number, wire in enumerate(wires):
            wire.send(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
            if number < 2:
                assert busy.acquire(timeout=PATIENCE)  # both threads are taken before the queue fills
        answered, _, _ = select.select([wire.sock for wire in wires], [], [], PATIENCE)
        (refused,) = (wire for wire in wires if wire.sock in answered)
        reply = refused.reply()
        assert (reply.status, reply.message) == (503, "server is too busy")
        assert served.doors.refusals == [("GET", "/x", 503)]
        wires.remove(refused)
        free.set()
        assert [wire.reply().body for wire in wires] == [b"late"] * 5


def test_a_client_that_takes_no_answer_ends(serve: Serve) -> None:
    big = bytes(8_000_000)

    def application(*_: object) -> front.Response:
        return 200, [("content-type", "application/octet-stream")], [big]

    served = serve(application=application, limits=dataclasses.replace(QUICK, threads=1))
    with Wire(served.address) as stuck:
        stuck.send(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        assert stuck.head()[0] == 200
        with Wire(served.address) as wire:
            assert len(wire.ask(target="/big").body) == len(big)
        received = 0
        with pytest.raises((OSError, EOFError)):
            while data := stuck.sock.recv(65536):
                received += len(data)
            raise EOFError
        assert received < len(big)
