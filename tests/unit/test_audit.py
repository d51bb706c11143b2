"""The audit log: a line a request, whole lines, in order, through rotation and a full disk."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from openkes.config.schema import Audit
from openkes.server.audit import AuditLog, Record, log, new_id, origin, subject


def settings(file: Path) -> Audit:
    return Audit("file", file, chain=True)


def record(path: str = "/v1/status", address: str = "192.0.2.1:1234", id_: str = "", **about: str) -> Record:
    return Record(1_500_000_000, id_, origin(address), subject("GET", path, "a" * 64, **about), 200, 0.0015)


def test_the_form_of_a_line() -> None:
    assert json.loads(record().line()) == {
        "time": "1970-01-01T00:00:01.5Z",
        "request": {"id": "", "ip": "192.0.2.1", "path": "/v1/status", "method": "GET", "identity": "a" * 64},
        "response": {"code": 200, "time": 1500},
    }


def test_policy_and_key_stand_in_the_line() -> None:
    line = json.loads(record(id_="0123", policy="minio", key="my-key").line())
    assert {name: line["request"][name] for name in ("id", "policy", "key")} == {
        "id": "0123",
        "policy": "minio",
        "key": "my-key",
    }


def test_a_path_that_is_no_text_has_its_line() -> None:
    assert json.loads(record("/v1/\udcff").line())["request"]["path"] == "/v1/\\udcff"


def test_ids_differ() -> None:
    assert len({new_id() for _ in range(10_000)}) == 10_000


def test_an_ipv6_address_loses_its_brackets() -> None:
    line = json.loads(record(address="[::1]:1234").line())
    assert line["request"]["ip"] == "::1"


@pytest.mark.parametrize("path", ['/v1/"\\', "/v1/\n", "/v1/\x00", "/v1/ä"])
def test_a_line_is_one_line_whatever_the_path(path: str) -> None:
    line = record(path).line()
    assert b"\n" not in line
    assert json.loads(line)["request"]["path"] == path


def test_lines_are_written_in_order(tmp_path: Path) -> None:
    audit = AuditLog(settings(tmp_path / "audit.jsonl"))
    for i in range(2000):
        audit.append(record(f"/{i}").line())
    audit.close()
    lines = (tmp_path / "audit.jsonl").read_text().splitlines()
    assert [json.loads(line)["request"]["path"] for line in lines] == [f"/{i}" for i in range(2000)]
    assert audit.lines == 2000


def test_no_line_is_left_when_callers_come_and_go(tmp_path: Path) -> None:
    """Each round finds the writing thread asleep, waking, or at work."""
    audit = AuditLog(settings(tmp_path / "audit.jsonl"))

    def call(number: int) -> None:
        for i in range(50):
            audit.append(record(f"/{number}/{i}").line())
            if i % (number + 2) == 0:
                audit.flush()

    threads = [threading.Thread(target=call, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    audit.flush()
    lines = (tmp_path / "audit.jsonl").read_text().splitlines()
    paths = [json.loads(line)["request"]["path"] for line in lines]
    for number in range(4):
        assert [path for path in paths if path.startswith(f"/{number}/")] == [f"/{number}/{i}" for i in range(50)]
    audit.close()


def test_callers_wait_when_too_many_lines_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "QUEUE", 4)
    audit = AuditLog(settings(tmp_path / "audit.jsonl"))
    stuck, go, write = threading.Event(), threading.Event(), os.write

    def slow(descriptor: int, data: bytes) -> int:
        stuck.set()
        assert go.wait(60)
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", slow)
    appended: list[int] = []
    caller = threading.Thread(target=lambda: [audit.append(record().line()) and appended.append(i) for i in range(30)])
    caller.start()
    assert stuck.wait(60)
    caller.join(0.05)
    assert caller.is_alive()
    assert len(appended) <= 2 * 4  # in the write that is stuck, and behind it
    go.set()
    caller.join(60)
    audit.close()
    assert audit.lines == 30


def test_an_internal_error_does_not_end_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    audit = AuditLog(settings(tmp_path / "audit.jsonl"))
    with monkeypatch.context() as broken:
        broken.setattr(os, "write", lambda *_: None)
        audit.append(record().line())
        audit.flush()
    audit.append(record("/after").line())
    audit.close()
    assert "audit log: internal error; 1 lines are lost" in [r.message for r in caplog.records]
    assert "/after" in (tmp_path / "audit.jsonl").read_text()


def test_reopen_after_rotation(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    audit = AuditLog(settings(file))
    audit.append(record("/old").line())
    audit.flush()
    file.rename(tmp_path / "audit.jsonl.1")
    audit.reopen(settings(file))
    audit.append(record("/new").line())
    audit.close()
    assert "/old" in (tmp_path / "audit.jsonl.1").read_text()
    assert "/new" in file.read_text()


def test_a_reopen_that_fails_keeps_the_old_file(tmp_path: Path) -> None:
    audit = AuditLog(settings(tmp_path / "audit.jsonl"))
    with pytest.raises(OSError, match="No such file"):
        audit.reopen(settings(tmp_path / "no" / "audit.jsonl"))
    audit.append(record().line())
    audit.close()
    assert (tmp_path / "audit.jsonl").read_text().count("\n") == 1


def test_a_full_disk_is_reported_once_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    audit = AuditLog(settings(tmp_path / "audit.jsonl"))
    write = os.write

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    for _ in range(2):
        audit.append(record().line())
        audit.flush()
    monkeypatch.setattr(os, "write", write)
    audit.append(record().line())
    audit.close()
    assert [r.message for r in caplog.records if r.levelname == "ERROR"] == [
        f"audit log {tmp_path}/audit.jsonl: No space left on device; lines are lost until this is mended"
    ]
    assert (audit.failures, audit.lines) == (2, 1)


def test_the_file_is_not_for_everybody(tmp_path: Path) -> None:
    AuditLog(settings(tmp_path / "audit.jsonl")).close()
    assert (tmp_path / "audit.jsonl").stat().st_mode & 0o007 == 0
