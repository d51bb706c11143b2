"""The audit log: a line a request, whole lines, in order, through rotation and a full disk."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from openkes.config.schema import Audit
from openkes.server.audit import AuditLog, Record, new_id


def settings(file: Path) -> Audit:
    return Audit("file", file, chain=True)


def record(path: str = "/v1/status") -> Record:
    return Record(1_500_000_000, "192.0.2.1:1234", "GET", path, "a" * 64, 200, 0.0015)


def test_the_form_of_a_line() -> None:
    assert json.loads(record().line()) == {
        "time": "1970-01-01T00:00:01.5Z",
        "request": {"id": "", "ip": "192.0.2.1", "path": "/v1/status", "method": "GET", "identity": "a" * 64},
        "response": {"code": 200, "time": 1500},
    }


def test_policy_and_key_stand_in_the_line() -> None:
    line = json.loads(record()._replace(id="0123", policy="minio", key="my-key").line())
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
    line = json.loads(record()._replace(address="[::1]:1234").line())
    assert line["request"]["ip"] == "::1"


@pytest.mark.parametrize("path", ['/v1/"\\', "/v1/\n", "/v1/\x00", "/v1/ä"])
def test_a_line_is_one_line_whatever_the_path(path: str) -> None:
    line = record(path).line()
    assert b"\n" not in line
    assert json.loads(line)["request"]["path"] == path


def test_lines_are_written_in_order(tmp_path: Path) -> None:
    log = AuditLog(settings(tmp_path / "audit.jsonl"))
    for i in range(2000):
        log.append(record(f"/{i}"))
    log.close()
    lines = (tmp_path / "audit.jsonl").read_text().splitlines()
    assert [json.loads(line)["request"]["path"] for line in lines] == [f"/{i}" for i in range(2000)]
    assert log.lines == 2000


def test_reopen_after_rotation(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    log = AuditLog(settings(file))
    log.append(record("/old"))
    log.flush()
    file.rename(tmp_path / "audit.jsonl.1")
    log.reopen(settings(file))
    log.append(record("/new"))
    log.close()
    assert "/old" in (tmp_path / "audit.jsonl.1").read_text()
    assert "/new" in file.read_text()


def test_a_reopen_that_fails_keeps_the_old_file(tmp_path: Path) -> None:
    log = AuditLog(settings(tmp_path / "audit.jsonl"))
    with pytest.raises(OSError, match="No such file"):
        log.reopen(settings(tmp_path / "no" / "audit.jsonl"))
    log.append(record())
    log.close()
    assert (tmp_path / "audit.jsonl").read_text().count("\n") == 1


def test_a_full_disk_is_reported_once_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log = AuditLog(settings(tmp_path / "audit.jsonl"))
    write = os.write

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    for _ in range(2):
        log.append(record())
        log.flush()
    monkeypatch.setattr(os, "write", write)
    log.append(record())
    log.close()
    assert [r.message for r in caplog.records if r.levelname == "ERROR"] == [
        f"audit log {tmp_path}/audit.jsonl: No space left on device; lines are lost until this is mended"
    ]
    assert (log.failures, log.lines) == (2, 1)


def test_the_file_is_not_for_everybody(tmp_path: Path) -> None:
    AuditLog(settings(tmp_path / "audit.jsonl")).close()
    assert (tmp_path / "audit.jsonl").stat().st_mode & 0o007 == 0
