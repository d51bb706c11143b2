"""`kes audit verify` as it is typed: output, exit code, and faults of usage."""

from __future__ import annotations

from pathlib import Path

import pytest

from openkes.cli import main
from openkes.config.schema import Audit
from openkes.server.audit import AuditLog, Record, origin, subject


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "audit.jsonl"
    log = AuditLog(Audit("file", path, required=True, chain=True))
    for i in range(3):
        about = subject("GET", f"/{i}", "a" * 64)
        log.append(Record((1_000 + i) * 10**9, "", origin("192.0.2.1:1234"), about, 200, 0.001).line())
    log.close()
    return path


def test_a_good_log(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "verify", str(file)]) == 0
    shown = capsys.readouterr()
    rows = dict(line.split(maxsplit=1) for line in shown.out.splitlines())
    assert rows.pop("head").isalnum()
    assert rows == {
        "lines": "3",
        "writers": "1",
        "first": "1970-01-01T00:16:40Z",
        "last": "1970-01-01T00:16:42Z",
    }
    assert shown.err == ""


def test_a_changed_log(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_bytes(file.read_bytes().replace(b'"/1"', b'"/9"'))
    assert main(["audit", "verify", str(file)]) == 1
    shown = capsys.readouterr()
    assert shown.out.startswith(f"{file}:2: was changed: it is not the line that {file}:3 follows\n")
    assert shown.err == "kes: error: 1 finding: this log is not as it was written\n"


def test_a_head_that_was_noted(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["audit", "verify", str(file)])
    head = capsys.readouterr().out.split()[-1]
    assert main(["audit", "verify", "--head", head.upper(), str(file)]) == 0
    assert f"{file}:3" in capsys.readouterr().out
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:2]))
    assert main(["audit", "verify", str(file)]) == 0
    assert main(["audit", "verify", "--head", head, str(file)]) == 1


def test_a_head_that_is_none(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "verify", "--head", "abc", str(file)]) == 2
    assert "64 hex digits" in capsys.readouterr().err


def test_a_file_that_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "verify", str(tmp_path / "none")]) == 1
    assert f"cannot read {tmp_path / 'none'}: No such file" in capsys.readouterr().err


def test_a_file_name_with_braces(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    odd = file.rename(file.with_name("a{0}{x}"))
    odd.write_bytes(odd.read_bytes().replace(b'"/1"', b'"/9"'))
    assert main(["audit", "verify", str(odd)]) == 1
    assert f"{odd}:2: was changed" in capsys.readouterr().out
