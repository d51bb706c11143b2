"""Answers that are sent while they are made: in time, one at the client's pace, and never longer than it listens."""

from __future__ import annotations

import dataclasses
import queue
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from openkes import front
from openkes.front import Limits
from tests.front.conftest import QUICK, Serve, until
from tests.front.second import Second
from tests.front.wire import PATIENCE, Wire

ASK = b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"
NDJSON = [("content-type", "application/x-ndjson")]


PLAINTEXT = "the plaintext key"  # a log shows the failing line, so it must not stand there


class Lines:
    """A log stream as a server has it: `next` waits for a line, `close` from another thread ends it."""

    def __init__(self) -> None:
        self.queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self.closed = threading.Event()
        self.closes = 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        line = self.queue.get()
        if line is None:
            raise StopIteration
        return line

    def close(self) -> None:
        self.closes += 1
        self.closed.set()
        self.queue.put(None)


class Streams:
    """An application that streams on /stream."""

    def __init__(self) -> None:
        self.lines: list[Lines] = []

    def __call__(self, _method: str, target: str, *_: Any) -> front.Response:
        if target != "/stream":
            return 200, [("content-length", "5")], [b"plain"]
        self.lines.append(Lines())
        return 200, list(NDJSON), self.lines[-1]


def no(*_: object) -> None:
    return None


def test_chunks_arrive_when_they_are_made(serve: Serve) -> None:
    streams = Streams()
    with Wire(serve(hot=no, application=streams).address) as wire:
        wire.send(ASK)
        status, headers = wire.head()
        assert (status, headers["content-type"]) == (200, "application/x-ndjson")
        for number in range(3):
            streams.lines[0].queue.put(b"%d\n" % number)
            assert wire.chunk() == b"%d\n" % number
        streams.lines[0].queue.put(None)
        assert wire.chunk() is None
    assert streams.lines[0].closed.wait(PATIENCE)
    assert streams.lines[0].closes == 1


def test_an_abandoned_stream_is_closed_though_it_waits(serve: Serve) -> None:
    streams = Streams()
    with Wire(serve(hot=no, application=streams).address) as wire:
        wire.send(ASK)
        wire.head()
    assert streams.lines[0].closed.wait(PATIENCE)
    assert streams.lines[0].closes == 1


def test_an_abandoned_generator_is_closed_at_its_next_chunk(serve: Serve) -> None:
    ended, pause = threading.Event(), threading.Event()

    def ticks() -> Iterator[bytes]:
        try:
            yield b"begun"  # one that has not begun would be closed without a trace
            while True:
                pause.wait(0.01)
                yield b""  # sends nothing, and lets the front look
        finally:
            ended.set()

    with Wire(serve(hot=no, application=lambda *_: (200, list(NDJSON), ticks())).address) as wire:
        wire.send(ASK)
        wire.head()
        assert wire.chunk() == b"begun"
    assert ended.wait(PATIENCE)


def test_streams_leave_the_pool_alone(serve: Serve) -> None:
    streams = Streams()
    address = serve(hot=no, application=streams, limits=Limits(threads=2, drain=2)).address
    with ExitStack() as stack:
        for _ in range(10):
            wire = stack.enter_context(Wire(address))
            wire.send(ASK)
            wire.head()
        with Wire(address) as wire:
            assert wire.ask(target="/plain").body == b"plain"


def test_streams_are_counted(serve: Serve) -> None:
    streams = Streams()
    address = serve(hot=no, application=streams, limits=Limits(streaming=2, drain=2)).address
    with ExitStack() as stack:
        wires = [stack.enter_context(Wire(address)) for _ in range(2)]
        for wire in wires:
            wire.send(ASK)
            wire.head()
        with Wire(address) as one_more:
            one_more.send(ASK)
            reply = one_more.reply()
            assert (reply.status, reply.message) == (503, "server is too busy")
        assert streams.lines[2].closes == 1
        wires[0].close()

        def admitted() -> bool:
            with Wire(address) as again:
                again.send(ASK)
                return again.head()[0] == 200

        until(admitted)


def test_a_slow_client_holds_up_its_stream_and_is_then_dropped(serve: Serve) -> None:
    made, ended = 0, threading.Event()

    def endless() -> Iterator[bytes]:
        nonlocal made
        try:
            while True:
                made += 1
                yield bytes(100_000)
        finally:
            ended.set()

    served = serve(hot=no, application=lambda *_: (200, list(NDJSON), endless()), limits=QUICK)
    with Wire(served.address) as wire:
        wire.send(ASK)
        wire.head()
        assert ended.wait(PATIENCE)  # nobody reads: it is dropped after `write` seconds
        assert made < 500  # and was held up long before that


def test_a_stream_that_fails_is_not_taken_for_complete(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    def failing() -> Iterator[bytes]:
        yield b"first"
        raise RuntimeError(PLAINTEXT)

    with Wire(serve(hot=no, application=lambda *_: (200, list(NDJSON), failing())).address) as wire:
        wire.send(ASK)
        assert wire.head()[0] == 200
        with pytest.raises((EOFError, OSError)):
            while wire.chunk() is not None:
                pass
            pytest.fail("the stream ended as if it were whole")
    until(lambda: "application door failed" in caplog.text)
    assert "plaintext" not in caplog.text


def test_head_of_a_stream_ends_it(serve: Serve) -> None:
    streams = Streams()
    with Wire(serve(hot=no, application=streams).address) as wire:
        reply = wire.ask("HEAD", "/stream")
        assert (reply.status, reply.body) == (200, b"")
        assert streams.lines[0].closed.wait(PATIENCE)


def test_stopping_ends_streams_in_order(serve: Serve) -> None:
    streams = Streams()
    served = serve(hot=no, application=streams)
    with Wire(served.address) as wire:
        wire.send(ASK)
        wire.head()
        streams.lines[0].queue.put(b"last\n")
        assert wire.chunk() == b"last\n"
        served.front.stop()
        assert wire.chunk() is None
    assert streams.lines[0].closes == 1


@pytest.mark.http2
def test_an_abandoned_http2_stream_is_closed(serve: Serve) -> None:
    streams = Streams()
    with Second(serve(hot=no, application=streams).address) as second:
        stream = second.begin(target="/stream")
        until(lambda: len(streams.lines) == 1)
        second.h2.reset_stream(stream)
        second.flush()
        assert streams.lines[0].closed.wait(PATIENCE)
        assert second.ask(target="/plain").body == b"plain"


@pytest.mark.http2
def test_a_quiet_http2_stream_stays(serve: Serve) -> None:
    streams = Streams()
    limits = dataclasses.replace(QUICK, header=0.2, idle=0.2, write=0.2)
    with Second(serve(hot=no, application=streams, limits=limits).address) as second:
        stream = second.begin(target="/stream")
        until(lambda: len(streams.lines) == 1)
        threading.Event().wait(1.0)  # five times every limit: a log may be quiet
        streams.lines[0].queue.put(b"line\n")
        streams.lines[0].queue.put(None)
        assert second.reply(stream).body == b"line\n"
