"""The short form of the trial `audit_disk`."""

from __future__ import annotations

from pathlib import Path

from tests.trials.audit_disk import trial


def test_no_answer_without_its_line(tmp_path: Path) -> None:
    figures = trial(tmp_path, 1_500, small=True)
    assert figures.findings == []
    assert figures.fills >= 2
    assert figures.with_status(503, figures.answers) >= 2
    assert 0 < figures.with_status(200, figures.answers) <= figures.with_status(200, figures.recorded)
