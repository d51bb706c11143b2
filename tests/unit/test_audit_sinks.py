"""Where lines go: whole or not at all, on a full disk, a slow reader and a syslog that restarts."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from openkes.config.schema import Audit
from openkes.server.audit import AuditLog, Record, origin, subject, writer
from openkes.server.audit.chain import digest
from openkes.server.audit.sinks import FileSink, NotWritten, standard_output
from openkes.server.audit.syslog import SyslogSink
from openkes.server.audit.verify import verify


def made(path: str = "/v1/status") -> bytes:
    return Record(1_500_000_000, "", origin("192.0.2.1:1234"), subject("GET", path, "a" * 64), 200, 0.0015).line()


@contextmanager
def room(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes: what fits is written, then writes fail, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_the_file_ends_with_a_whole_line_on_a_full_disk(tmp_path: Path) -> None:
    sink = FileSink(tmp_path / "audit")
    with room(25), pytest.raises(NotWritten, match="too large") as caught:
        sink.write([b"one-line", b"two-line", b"three-line"], 0)
    assert caught.value.lines == 2
    assert (tmp_path / "audit").read_bytes() == b"one-line\ntwo-line\n"
    sink.write([b"four"], 0)
    sink.close()
    assert (tmp_path / "audit").read_bytes() == b"one-line\ntwo-line\nfour\n"


def test_what_may_not_be_cut_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def append_only(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "ftruncate", append_only)
    sink = FileSink(tmp_path / "audit")
    for _ in range(2):
        with room(12), pytest.raises(NotWritten) as caught:
            sink.write([b"one-line", b"two-line"], 0)
    assert caught.value.lines == 0
    sink.write([b"three", b"four"], 0)
    sink.close()
    assert (tmp_path / "audit").read_bytes() == b"one-line\ntwo\nthree\nfour\n"


def test_lines_behind_a_torn_one_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "audit").write_bytes(b"torn")
    sink = FileSink(tmp_path / "audit")
    with room(12), pytest.raises(NotWritten) as caught:
        sink.write([b"line", b"two"], 0)
    assert caught.value.lines == 1
    sink.close()
    assert (tmp_path / "audit").read_bytes() == b"torn\nline\n"


def test_another_process_s_line_is_not_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "audit"
    sink = FileSink(file)
    write = os.write
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND)

    def short(fd: int, data: bytes) -> int:
        monkeypatch.setattr(os, "write", full)
        return write(fd, data[:5])

    def full(fd: int, data: bytes) -> int:
        write(descriptor, b"|theirs\n")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", short)
    with pytest.raises(NotWritten):
        sink.write([b"our-line"], 0)
    monkeypatch.setattr(os, "write", write)
    sink.write([b"next"], 0)
    sink.close()
    os.close(descriptor)
    assert file.read_bytes() == b"our-l|theirs\n\nnext\n"


def test_a_deleted_file_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openkes.server.audit.sinks.LOOK_INTERVAL", 0.0)
    file = tmp_path / "audit"
    sink = FileSink(file)
    file.unlink()
    sink.write([b"line"], 0)
    sink.close()
    assert file.read_bytes() == b"line\n"


def test_the_last_line_is_found_however_long(tmp_path: Path) -> None:
    file = tmp_path / "audit"
    long = b"x" * 300_000
    file.write_bytes(b"first\n" + long + b"\n")
    sink = FileSink(file)
    assert sink.last() == digest(long)
    sink.close()


def test_a_pipe_that_nobody_reads_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, end = os.pipe()
    sink = standard_output(end)
    assert os.get_blocking(end)  # whoever shares the pipe notices nothing
    with pytest.raises(NotWritten, match="nobody reads it"):
        while True:
            sink.write([b"x" * 1000], 0.01)
    text = b""
    os.set_blocking(reader, False)
    while len(text) < 60_000:
        text += os.read(reader, 65536)
    sink.write([b"last"], 0.01)
    sink.close()
    os.close(end)
    while chunk := os.read(reader, 65536):
        text += chunk
    os.close(reader)
    assert text.endswith(b"\nlast\n")


# --- mode required ---


def test_required_lines_are_there_when_append_returns(tmp_path: Path) -> None:
    file = tmp_path / "audit"
    log = AuditLog(Audit("file", file, required=True, chain=True))
    for i in range(3):
        assert log.append(made(f"/{i}"))
        assert len(file.read_bytes().splitlines()) == i + 1
    log.close()


def test_required_says_no_and_recovers(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "audit"
    log = AuditLog(Audit("file", file, required=True, chain=True))
    assert log.append(made())
    with room(file.stat().st_size + 100):
        assert [log.append(made()) for _ in range(3)] == [False] * 3
        assert log.refusing
    assert log.append(made("/after"))
    assert not log.refusing
    log.close()
    assert (log.lines, log.failures) == (2, 3)
    report = verify([file])
    assert (report.findings, report.lines, report.lost) == ([], 2, 3)
    messages = [r.message for r in caplog.records if r.name == "openkes.server.audit"]
    assert messages == [
        f"audit log {file}: File too large; calls on keys are refused until this is mended",
        "audit log works again; 3 lines were not written",
    ]


def test_a_torn_line_that_cannot_be_cut_is_one_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "audit"
    log = AuditLog(Audit("file", file, required=True, chain=True))
    log.append(made())
    with monkeypatch.context() as patch, room(file.stat().st_size + 100):
        patch.setattr(FileSink, "_cut", lambda *_: False)
        assert not log.append(made())
    assert log.append(made())
    log.close()
    assert verify([file]).findings == [f"{file}:2: is torn, or no audit line"]


def test_best_effort_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "audit"
    log = AuditLog(Audit("file", file, chain=True))
    with room(2_000):
        assert all(log.append(made()) for _ in range(100))
        log.flush()
    log.append(made())
    log.close()
    report = verify([file])
    assert (report.findings, report.lines, report.lost) == ([], log.lines, log.failures)
    assert log.lines + log.failures == 101
    assert log.failures > 50


def test_a_reload_changes_the_mode_and_keeps_the_chain(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    log = AuditLog(Audit("file", first, chain=True))
    for _ in range(5):
        log.append(made())
    log.reopen(Audit("file", second, required=True, chain=True))
    assert log.append(made())
    assert len(second.read_bytes().splitlines()) == 1
    log.close()
    report = verify([first, second])
    assert (report.findings, report.lines, report.writers) == ([], 6, 1)


def test_after_close_nothing_is_accepted(tmp_path: Path) -> None:
    log = AuditLog(Audit("file", tmp_path / "audit", required=True))
    log.close()
    assert not log.append(made())


# --- syslog ---


class Syslog:
    """What listens at /dev/log: real sockets of the machine."""

    def __init__(self, path: Path, kind: socket.SocketKind) -> None:
        self._listener = socket.socket(socket.AF_UNIX, kind)
        self._listener.bind(str(path))
        self._listener.settimeout(10)
        self._stream: socket.socket | None = None
        self._left = b""
        if kind == socket.SOCK_STREAM:
            self._listener.listen()

    def message(self) -> bytes:
        if self._listener.type == socket.SOCK_DGRAM:
            return self._listener.recv(65536)
        if self._stream is None:
            self._stream, _ = self._listener.accept()
        while b"\0" not in self._left:
            self._left += self._stream.recv(65536)
        message, _, self._left = self._left.partition(b"\0")
        return message

    def close(self) -> None:
        self._listener.close()
        if self._stream is not None:
            self._stream.close()


@pytest.fixture(params=[socket.SOCK_DGRAM, socket.SOCK_STREAM], ids=["datagram", "stream"])
def listen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Syslog]]:
    opened: list[Syslog] = []

    def start() -> Syslog:
        (tmp_path / "log").unlink(missing_ok=True)
        opened.append(Syslog(tmp_path / "log", request.param))
        return opened[-1]

    yield start
    for syslog in opened:
        syslog.close()


def test_syslog_gets_facility_tag_and_line(tmp_path: Path, listen: Callable[[], Syslog]) -> None:
    syslog = listen()
    log = AuditLog(Audit("syslog", required=True, syslog=str(tmp_path / "log")))
    for i in range(3):
        assert log.append(made(f"/{i}"))
    log.close()
    for i in range(3):
        head, _, line = syslog.message().partition(b": ")
        assert head == f"<38>kes[{os.getpid()}]".encode()  # auth (4) * 8 + info (6)
        assert json.loads(line)["request"]["path"] == f"/{i}"


def test_syslog_that_was_restarted_is_found_again(tmp_path: Path, listen: Callable[[], Syslog]) -> None:
    old = listen()
    sink = SyslogSink(str(tmp_path / "log"))
    sink.write([b"one"], 1)
    assert old.message().endswith(b": one")
    old.close()
    new = listen()
    sink.write([b"two"], 1)
    assert new.message().endswith(b": two")
    sink.close()


def test_syslog_that_is_gone_refuses_and_recovers(tmp_path: Path, listen: Callable[[], Syslog]) -> None:
    old = listen()
    log = AuditLog(Audit("syslog", required=True, syslog=str(tmp_path / "log")))
    assert log.append(made("/one"))
    old.message()
    old.close()
    assert not log.append(made("/two"))
    new = listen()
    assert log.append(made("/three"))
    assert b"/three" in new.message()
    log.close()


def test_syslog_that_reads_nothing_is_not_waited_for_twice(
    tmp_path: Path, listen: Callable[[], Syslog], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "PATIENCE", 0.05)
    syslog = listen()
    log = AuditLog(Audit("syslog", required=True, syslog=str(tmp_path / "log")))
    sent = 0
    while log.append(made(f"/{'x' * 1000}")):
        sent += 1
        assert sent < 100_000
    for _ in range(1_000):  # at 5 s each this test would run into its time limit
        log.append(made())
    assert syslog.message()
    log.close()


def test_no_syslog_is_an_error_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        AuditLog(Audit("syslog", syslog=str(tmp_path / "none")))


def test_standard_output_is_the_process_s_own(capfd: pytest.CaptureFixture[str]) -> None:
    log = AuditLog(Audit(required=True))
    assert log.append(made("/out"))
    log.close()
    assert "/out" in capfd.readouterr().out
