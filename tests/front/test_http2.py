"""HTTP/2, which the engine speaks and the twin does not."""

from __future__ import annotations

import base64
import dataclasses
import struct
import threading
from contextlib import ExitStack

import h2.events
import h2.exceptions
import pytest
from h2.errors import ErrorCodes

from openkes import front
from openkes.front import Limits
from tests.front.certificates import Client
from tests.front.conftest import QUICK, HeldUp, Serve, until
from tests.front.second import Second
from tests.front.test_http1 import TARGETS
from tests.front.wire import PATIENCE, Wire

pytestmark = pytest.mark.http2

HEADERS, SETTINGS, PING, CONTINUATION = 1, 4, 6, 9


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


@pytest.mark.parametrize("target", TARGETS)
def test_the_target_is_passed_on_as_sent(serve: Serve, target: str) -> None:
    with Second(serve().address) as second:
        assert second.ask(target=target).json["target"] == target


def test_the_peer_is_told(serve: Serve, p256: Client) -> None:
    served = serve()
    with Second(served.address, p256) as second:
        assert second.ask(target="/hot").json["identity"] == p256.identity
        assert second.ask(target="/application").json["identity"] == p256.identity
    assert all(peer is served.doors.peers[0] for peer in served.doors.peers)


LENGTHS = [
    pytest.param((), None, None, b"", id="ends-with-the-head"),
    pytest.param((), b"", None, b"", id="undeclared-empty"),
    pytest.param((), b"{}", None, b"{}", id="undeclared"),
    pytest.param((("content-length", "0"),), b"", 0, b"", id="declared-empty"),
    pytest.param((("content-length", "2"),), b"{}", 2, b"{}", id="declared"),
]


@pytest.mark.parametrize("path", ["/hot", "/application"])
@pytest.mark.parametrize(("headers", "sent", "declared", "body"), LENGTHS)
def test_what_is_declared_and_what_is_sent(
    serve: Serve,
    path: str,
    headers: tuple[tuple[str, str], ...],
    sent: bytes | None,
    declared: int | None,
    body: bytes,
) -> None:
    with Second(serve().address) as second:
        stream = second.begin("PUT", path, headers, end=sent is None)
        if sent is not None:
            second.data(stream, sent)
        facts = second.reply(stream).json
        assert (facts["declared_length"], base64.b64decode(facts["body"])) == (declared, body)


def test_a_length_that_lies_is_an_error_and_reaches_nobody(serve: Serve) -> None:
    served = serve()
    with Second(served.address) as second:
        stream = second.begin("PUT", "/hot", (("content-length", "5"),), end=False)
        second.h2.remote_flow_control_window(stream)
        second.sock.sendall(frame(0, 1, stream, b"{}"))
        second.wait(h2.events.StreamReset, stream)
    assert served.doors.peers == []


def test_trailers_are_dropped(serve: Serve) -> None:
    with Second(serve().address) as second:
        stream = second.begin("PUT", "/hot", end=False)
        second.data(stream, b"{}", end=False)
        second.h2.send_headers(stream, [("x-trailer", "1")], end_stream=True)
        second.flush()
        assert second.reply(stream).json["body"] == "e30="


def test_the_host_reaches_the_application(serve: Serve) -> None:
    with Second(serve().address) as second:
        assert ["host", "localhost"] in second.ask(target="/application").json["headers"]


def test_head_gets_the_length_and_no_body(serve: Serve) -> None:
    with Second(serve().address) as second:
        for path in ("/hot", "/application"):
            reply = second.ask("HEAD", path)
            assert (reply.status, reply.body) == (200, b"")
            assert int(reply.headers["content-length"]) > 0


def test_many_streams_at_once(serve: Serve) -> None:
    with Second(serve().address) as second:
        streams = [second.begin("PUT", f"/hot/{number}", end=False) for number in range(100)]
        for stream in reversed(streams):
            second.data(stream, b"%d" % stream)
        for number, stream in enumerate(streams):
            facts = second.reply(stream).json
            assert facts["target"] == f"/hot/{number}"
            assert base64.b64decode(facts["body"]) == b"%d" % stream


def test_a_large_body_and_a_large_answer(serve: Serve) -> None:
    body = bytes(range(256)) * 4096  # 1 MiB: several windows
    with Second(serve().address) as second:
        stream = second.begin("PUT", "/application", end=False)
        second.data(stream, body)
        assert base64.b64decode(second.reply(stream).json["body"]) == body


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_too_large_is_413(serve: Serve, declared: bool) -> None:
    served = serve(limits=Limits(max_body=1000, drain=2))
    with Second(served.address) as second:
        stream = second.begin("PUT", "/hot", (("content-length", "2000"),) if declared else (), end=False)
        second.data(stream, bytes(2000))
        reply = second.reply(stream)
        assert (reply.status, reply.message) == (413, "request body too large")
        assert second.ask(target="/hot").status == 200
    assert served.doors.refusals == [("PUT", "/hot", 413)]


def test_a_slow_body_is_408_and_the_other_streams_go_on(serve: Serve) -> None:
    with Second(serve(limits=QUICK).address) as second:
        slow = second.begin("PUT", "/hot", end=False)
        assert second.ask(target="/hot").status == 200
        reply = second.reply(slow)
        assert (reply.status, reply.message) == (408, "request body too slow")


def test_a_header_too_large_is_refused_and_the_connection_goes_on(serve: Serve) -> None:
    served = serve(limits=Limits(max_header=10_000, drain=2))
    with Second(served.address) as second:
        stream = second.begin("GET", "/hot", tuple((f"x-{number}", "a" * 500) for number in range(30)))
        assert dict(second.wait(h2.events.ResponseReceived, stream).headers)[":status"] == "431"
        assert second.ask(target="/hot").status == 200


def test_the_number_of_streams_is_limited(serve: Serve) -> None:
    with Second(serve(limits=Limits(streams=5, drain=2)).address) as second:
        second.ask(target="/hot")
        assert second.h2.remote_settings.max_concurrent_streams == 5
        for _ in range(5):
            second.begin("PUT", "/hot", end=False)
        with pytest.raises(h2.exceptions.TooManyStreamsError):
            second.begin("PUT", "/hot", end=False)


def test_a_flood_of_resets_ends_the_connection(serve: Serve) -> None:
    served = serve()
    with Second(served.address) as second, pytest.raises((EOFError, OSError)):
        for _ in range(20_000):
            stream = second.begin("PUT", "/hot", end=False)
            second.h2.reset_stream(stream, ErrorCodes.CANCEL)
        second.flush()
        while True:
            second.pump()
    with Wire(served.address) as wire:
        assert wire.ask().status == 200


def test_a_reset_stream_does_no_harm(serve: Serve) -> None:
    with Second(serve().address) as second:
        for _ in range(10):
            stream = second.begin("PUT", "/application", end=False)
            second.h2.reset_stream(stream, ErrorCodes.CANCEL)
            second.flush()
            assert second.ask(target="/application").status == 200


def test_a_header_block_that_never_ends(serve: Serve) -> None:
    with Second(serve(limits=dataclasses.replace(QUICK, idle=PATIENCE * 2)).address) as second:
        assert second.ask(target="/hot").status == 200
        second.sock.sendall(frame(HEADERS, 0, 3, b""))
        second.until_end()


def test_continuations_without_end(serve: Serve) -> None:
    served = serve()
    with Second(served.address) as second, pytest.raises((EOFError, OSError)):
        second.sock.sendall(frame(HEADERS, 0, 1, b""))
        for _ in range(100_000):
            second.sock.sendall(frame(CONTINUATION, 0, 1, b"\0\1a\1b" * 100))
        second.pump()
    assert served.doors.peers == []


def test_a_connection_that_never_asks_ends(serve: Serve) -> None:
    with Second(serve(limits=QUICK).address) as second:
        second.until_end()


def test_pings_keep_nothing_open(serve: Serve) -> None:
    with Second(serve(limits=QUICK).address) as second:
        assert second.ask(target="/hot").status == 200
        second.h2.ping(b"12345678")
        second.flush()
        second.wait(h2.events.PingAckReceived)
        second.wait(h2.events.ConnectionTerminated)
        second.until_end()


def test_a_running_call_is_not_idle(serve: Serve) -> None:
    go = threading.Event()

    def application(*_: object) -> front.Response:
        assert go.wait(PATIENCE)
        return 200, [], [b"done"]

    limits = dataclasses.replace(QUICK, header=0.2, idle=0.2)
    with Second(serve(application=application, limits=limits).address) as second:
        stream = second.begin(target="/application")
        go.wait(1.0)  # five times what a connection may be idle
        go.set()
        assert second.reply(stream).body == b"done"


def test_windows_that_stay_shut(serve: Serve) -> None:
    served = serve(limits=dataclasses.replace(QUICK, body=PATIENCE))
    with Second(served.address) as second:
        second.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 0})
        second.begin(target="/hot")
        second.until_end()


def test_rubbish_for_http2_disturbs_nobody(serve: Serve) -> None:
    served = serve()
    with Second(served.address) as second:
        second.sock.sendall(frame(PING, 0, 7, b"1234567"))
        second.until_end()
    with Second(served.address) as second:
        assert second.ask().status == 200


def test_the_end_is_announced(serve: Serve) -> None:
    served = serve()
    with Second(served.address) as second:
        assert second.ask(target="/hot").status == 200
        stopping = threading.Thread(target=served.front.stop)
        stopping.start()
        assert second.wait(h2.events.ConnectionTerminated).error_code == ErrorCodes.NO_ERROR
        second.until_end()
        stopping.join()


def test_a_connection_of_http1_beside(serve: Serve) -> None:
    served = serve()
    with Second(served.address) as second, Wire(served.address) as wire:
        assert second.ask(target="/hot").json["target"] == wire.ask(target="/hot").json["target"]
    until(lambda: len(served.doors.peers) == 2)


def test_a_hot_door_that_was_held_up_costs_no_connection(serve: Serve) -> None:
    held = HeldUp()
    address = serve(hot=held.hot, limits=QUICK).address
    with ExitStack() as stack:
        first, *others = [stack.enter_context(Second(address)) for _ in range(9)]
        hold = first.begin(target="/hold")
        assert held.begun.wait(PATIENCE)
        begun = [(first, hold), *((second, second.begin()) for second in others)]
        assert [second.reply(stream).status for second, stream in begun] == [200] * 9
