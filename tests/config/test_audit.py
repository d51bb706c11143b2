"""`audit:` in the configuration: what is read, and one fault per test."""

from __future__ import annotations

from pathlib import Path

import pytest

from openkes.config.load import load
from openkes.config.node import ConfigError
from openkes.config.schema import Audit

MINIMAL = "version: v1\ntls: {key: k.pem, cert: c.pem}\nkeystore: {memory: {}}\n"


def write(folder: Path, text: str) -> Path:
    file = folder / "config.yml"
    file.write_text(MINIMAL + text + "\n")
    return file


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Audit("stdout")),
        ("audit: {}", Audit("stdout")),
        ("audit: {file: a.jsonl}", Audit("file", Path("a.jsonl"), chain=True)),
        ("audit: {output: file, file: a.jsonl, chain: off}", Audit("file", Path("a.jsonl"))),
        ("audit: {file: a.jsonl, mode: required}", Audit("file", Path("a.jsonl"), required=True, chain=True)),
        ("audit: {file: a.jsonl, mode: best-effort}", Audit("file", Path("a.jsonl"), chain=True)),
        ("audit: {output: stdout, mode: required, chain: on}", Audit("stdout", required=True, chain=True)),
        ("audit: {output: syslog}", Audit("syslog", syslog="/dev/log")),
        ("audit: {output: syslog, socket: /run/log}", Audit("syslog", syslog="/run/log")),
    ],
)
def test_what_is_read(tmp_path: Path, text: str, expected: Audit) -> None:
    assert load(write(tmp_path, text)).audit == expected


@pytest.mark.parametrize(
    ("text", "line", "fault", "hint"),
    [
        ("audit: {mode: always}", 4, "'audit.mode' is 'always'", "write one of: best-effort, required"),
        ("audit: {output: journal}", 4, "'audit.output' is 'journal'", "write one of: file, stdout, syslog"),
        ("audit:\n  output: file", 4, "'audit.file' is missing", "name the file: audit.file"),
        ("audit:\n  output: stdout\n  file: a", 6, "'audit.file' is set, and 'audit.output' is stdout", "output: file"),
        ("audit:\n  output: syslog\n  file: a", 6, "'audit.file' is set, and 'audit.output' is syslog", "output: file"),
        ("audit:\n  file: a\n  socket: b", 6, "'audit.socket' is set, and 'audit.output' is file", "output: syslog"),
        ("audit: {file: ''}", 4, "'audit.file' is empty", "write a path"),
        ("audit: {chain: yes please}", 4, "'audit.chain' is 'yes please'", "write on or off"),
        ("audit: {modus: required}", 4, "unknown key 'audit.modus'", "did you mean 'mode'?"),
        ("log: {audit: off}\naudit:\n  mode: required", 6, "'audit.mode' is required, and 'log.audit' is off", "on"),
    ],
)
def test_a_fault_names_line_cause_and_next_step(tmp_path: Path, text: str, line: int, fault: str, hint: str) -> None:
    file = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert str(caught.value).startswith(f"{file}:{line}: ")
    assert fault in str(caught.value)
    assert hint in caught.value.hint
