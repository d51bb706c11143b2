"""The bench in one process runs and measures all it names. How long anything took is not looked at."""

from __future__ import annotations

import json
import subprocess
import sys


def test_every_row_is_measured() -> None:
    command = [sys.executable, "-m", "tests.bench.inprocess", "--json", "--seconds", "0.01"]
    command += [word for name in ("hot", "parts", "flask", "turns") for word in ("--only", name)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=240)
    found = json.loads(done.stdout)["microseconds"]
    assert {name: len(rows) for name, rows in found.items()} == {"hot": 7, "parts": 18, "flask": 4, "turns": 22}
    assert all(value > 0 for rows in found.values() for value in rows.values())
