"""Prometheus' own checker, where it can be had."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
MONITORING = REPOSITORY / "monitoring"


@functools.cache
def _path() -> tuple[str, str]:
    done = subprocess.run([REPOSITORY / "tools" / "promtool.sh"], capture_output=True, text=True, check=False)
    if done.returncode == 3:
        return "", done.stderr.strip().splitlines()[-1]
    assert done.returncode == 0, done.stderr
    return done.stdout.strip(), ""


def promtool(*arguments: str | Path, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Runs it; skips the test, with the reason, where there is none."""
    path, why_not = _path()
    if not path:
        pytest.skip(why_not)
    return subprocess.run([path, *arguments], input=stdin, capture_output=True, text=True, timeout=120, check=False)
