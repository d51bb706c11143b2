"""What streams until interrupted: `kes log`, and `kes metric` on a terminal."""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from openkes.client import AnswerError
from tests.cli.test_terminal import Terminal
from tests.servers import KES, KeyServer, clean_environment, make_identity, running

SECONDS = 30.0


class Lines:
    """`kes` with arguments, its standard output line by line as it comes."""

    def __init__(self, server: KeyServer, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [*KES, *arguments],
            env={**clean_environment(), **server.environment()},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.rstrip("\n"))

    def next(self) -> str:
        """The next line, while the process runs: it came at once, not when a buffer was full."""
        try:
            line = self._lines.get(timeout=SECONDS)
        except queue.Empty:
            raise AssertionError(f"no line within {SECONDS} s") from None
        assert self.process.poll() is None
        return line

    def end(self) -> tuple[int, str]:
        """The exit code and standard error, of a process that ends by itself."""
        code = self.process.wait(SECONDS)
        self._reader.join(SECONDS)
        assert self.process.stderr is not None
        return code, self.process.stderr.read()


@contextmanager
def lines(server: KeyServer, *arguments: str) -> Iterator[Lines]:
    reader = Lines(server, *arguments)
    try:
        yield reader
    finally:
        if reader.process.poll() is None:
            reader.process.kill()
        reader.process.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[KeyServer]:
    with running(tmp_path) as server:
        yield server


def test_audit_lines_for_people(server: KeyServer, tmp_path: Path) -> None:
    with lines(server, "log") as log:
        assert log.next().split()[-1] == "/v1/log/audit"  # its own call: now it listens
        with server.client(make_identity(tmp_path, "stranger")) as refused, pytest.raises(AnswerError):
            refused.create_key("k")
        parts = log.next().split()
        log.process.send_signal(signal.SIGINT)
        assert log.end() == (130, "\n")
    assert parts[1:4:2] == ["403", "ms"]
    assert parts[4:5] + parts[6:] == ["127.0.0.1", "PUT", "/v1/key/create/k"]


def test_audit_lines_as_json(server: KeyServer) -> None:
    with lines(server, "log", "--audit", "--json") as log:
        log.next()
        with server.client() as client:
            client.create_key("k")
        event = json.loads(log.next())
    assert event["request"]["path"] == "/v1/key/create/k"
    assert event["request"]["identity"] == server.admin.identity
    assert event["response"]["code"] == 200


@pytest.mark.parametrize("json_wanted", [False, True])
def test_error_lines_name_identity_and_path(server: KeyServer, tmp_path: Path, json_wanted: bool) -> None:
    stranger = make_identity(tmp_path, "stranger")
    with lines(server, "log", "--error", *(["--json"] if json_wanted else [])) as log:
        _wait_for_listener(server)
        with server.client(stranger) as refused, pytest.raises(AnswerError):
            refused.create_key("k")
        line = log.next()
    text = json.loads(line)["message"] if json_wanted else line
    assert stranger.identity in text
    assert "/v1/key/create/k" in text


def _wait_for_listener(server: KeyServer) -> None:
    """Until somebody follows the error log: the audit log tells."""
    deadline = threading.Event()
    timer = threading.Timer(SECONDS, deadline.set)
    timer.start()
    try:
        while "/v1/log/error" not in server.stdout:
            server.check_alive(0.05)
            assert not deadline.is_set(), "nobody asked for the error log"
    finally:
        timer.cancel()


def test_a_path_from_outside_does_not_touch_the_terminal(server: KeyServer) -> None:
    with lines(server, "log") as log:
        log.next()
        with server.client() as client, pytest.raises(AnswerError):
            client.describe_policy("\x1b[2J")
        assert "\x1b" not in log.next()


def test_a_server_that_stops_ends_the_log_with_an_error(server: KeyServer) -> None:
    with lines(server, "log") as log:
        log.next()
        server.stop()
        code, errors = log.end()
    assert code == 1
    assert errors.splitlines() == [
        f"kes: error: {server.url} ended the log",
        "kes: hint: it stops or restarts: start the command again when it is back",
    ]


def test_a_server_that_is_killed_ends_the_log_with_an_error(server: KeyServer) -> None:
    with lines(server, "log") as log:
        log.next()
        server.kill()
        code, errors = log.end()
    assert code == 1
    assert errors.startswith("kes: error: ")


def test_metric_on_a_terminal_is_renewed_until_interrupted(server: KeyServer, tmp_path: Path) -> None:
    environment = {**server.environment(), "TERM": "xterm"}
    terminal = Terminal(tmp_path, "metric", "--interval", "0.1", **environment)
    terminal.expect("Ctrl-C ends it")
    terminal.expect("Memory")
    with server.client() as client:
        client.create_key("k")
    terminal.expect("/s")  # the second look has rates
    terminal.expect("1 keys")
    terminal.send("\x03")
    code, rest = terminal.end()
    assert code == 130
    assert "Traceback" not in rest


def test_metric_once_on_a_terminal(server: KeyServer, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "metric", "--once", **server.environment())
    code, rest = terminal.end()
    assert code == 0
    assert "Certificate  expires in" in rest
    assert "\x1b" not in rest
