"""Log streams: who listens gets every line, who does not read harms nobody."""

from __future__ import annotations

import logging
import threading

from openkes.server.logs import BACKLOG, CHUNK, ErrorLines, Hub


def test_a_listener_gets_the_lines_from_now_on() -> None:
    hub = Hub()
    hub.publish(b"before\n")
    subscription = hub.subscribe()
    hub.publish(b"a\n")
    hub.publish(b"b\n")
    assert next(subscription) == b"a\nb\n"
    hub.publish(b"c\n")
    assert next(subscription) == b"c\n"


def test_a_piece_holds_whole_lines_and_not_too_many() -> None:
    hub = Hub()
    subscription = hub.subscribe()
    for i in range(CHUNK + 2):
        hub.publish(b"%d\n" % i)
    pieces = [next(subscription), next(subscription)]
    assert [piece.count(b"\n") for piece in pieces] == [CHUNK, 2]
    assert b"".join(pieces).split() == [b"%d" % i for i in range(CHUNK + 2)]


def test_no_line_is_left_when_publishers_come_and_go() -> None:
    """The reader is found asleep, waking or at work."""
    hub = Hub()
    subscription = hub.subscribe()
    lines: list[bytes] = []
    seen = threading.Condition()

    def read() -> None:
        for piece in subscription:
            with seen:
                lines.extend(piece.split())
                seen.notify_all()

    reader = threading.Thread(target=read)
    reader.start()
    for i in range(100):
        hub.publish(b"%d\n" % i)
        if i % 7 == 0:
            with seen:
                assert seen.wait_for(lambda i=i: len(lines) == i + 1, 60)
    with seen:
        assert seen.wait_for(lambda: len(lines) == 100, 60)
    subscription.close()
    reader.join(60)
    assert lines == [b"%d" % i for i in range(100)]


def test_close_ends_a_waiting_reader() -> None:
    subscription = Hub().subscribe()
    lines: list[bytes] = []
    reader = threading.Thread(target=lambda: lines.extend(subscription))
    reader.start()
    subscription.close()
    reader.join(10)
    assert not reader.is_alive()


def test_nobody_is_wanted_after_the_last_has_left() -> None:
    hub = Hub()
    subscription = hub.subscribe()
    assert hub.wanted
    subscription.close()
    assert not hub.wanted


def test_a_listener_that_does_not_read_loses_lines_and_holds_up_nobody() -> None:
    hub = Hub()
    subscription = hub.subscribe()
    for _ in range(BACKLOG + 10):
        hub.publish(b"line\n")
    assert subscription.lost == 10
    subscription.close()
    assert list(subscription) == []


def test_a_stream_with_a_limit_ends_by_itself_and_leaves() -> None:
    hub = Hub()
    subscription = hub.subscribe()
    hub.publish(b"line\n")
    subscription.end_after(0.2)
    assert list(subscription) == [b"line\n"]
    assert not hub.wanted


def test_errors_go_to_the_hub_without_their_traceback() -> None:
    hub = Hub()
    subscription = hub.subscribe()
    handler = ErrorLines(hub)
    try:
        raise ValueError("secret")
    except ValueError:
        record = logging.LogRecord("openkes", logging.ERROR, "", 0, "it %s", ("broke",), None)
        handler.handle(record)
    assert next(subscription) == b'{"message":"it broke"}\n'
