"""Runs one Molecule scenario and reads its log: the recaps of every run, and what must never be printed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tests.hosts.support import cache_dir

ROOT = Path(__file__).resolve().parents[2]
TAIL = 120  # lines of a failed log worth showing
SECRETS = {
    "a private key": re.compile(r"PRIVATE KEY"),
    "an API key": re.compile(r"kes:v1:[A-Za-z0-9+/]{40,}"),
    "MinIO's root password": re.compile(r"correct horse"),
}
STEP = re.compile(r"^INFO\s+\[\S+ > (?P<step>\w+)\] Executing$", re.MULTILINE)
CHANGED = re.compile(r"^(?P<host>\S+)\s+: ok=\d+\s+changed=(?P<changed>\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Outcome:
    """What a scenario left behind: its log, cut into steps in the order they ran."""

    log: str
    steps: list[tuple[str, str]]

    def changed(self, step: str, which: int) -> dict[str, int]:
        """Return changed tasks by host in the `which`th run of a step."""
        text = [text for name, text in self.steps if name == step][which]
        return {found["host"]: int(found["changed"]) for found in CHANGED.finditer(text)}

    def leaks(self) -> list[str]:
        """Return lines that show a secret, each with what it shows."""
        return [
            f"{what}: {line[:120]}"
            for line in self.log.splitlines()
            for what, pattern in SECRETS.items()
            if pattern.search(line)
        ]


class _Running:
    """The scenarios that run, for `stop`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def run(self, command: list[str | Path], out: BinaryIO, env: dict[str, str]) -> int:
        with self._lock:
            assert not self._stopped, "the session is over"
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env=env, cwd=ROOT,
                start_new_session=True,
            )  # fmt: skip
            self._processes.add(process)
        code = process.wait()
        with self._lock:
            self._processes.discard(process)
        return code

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            for process in self._processes:
                os.killpg(process.pid, signal.SIGTERM)


_running = _Running()


def stop() -> None:
    """End what runs, for good: hosts of a test run that has ended go away by themselves."""
    _running.stop()


def run(name: str, environment: Mapping[str, str]) -> Outcome:
    """Run the whole test sequence of a scenario; AssertionError with the log's tail when it fails."""
    logs = cache_dir() / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    path = logs / f"molecule-{name}.log"
    env = {
        **environment,
        "NO_COLOR": "1",
        # Hosts of a test run that was killed go away with it.
        "OPENKES_HOSTS_OWNER": str(os.getpid()),
    }
    # A folder, and with it hosts, of this run alone: somebody may be at work on the same scenario.
    with tempfile.TemporaryDirectory() as top, path.open("wb") as out:
        env["MOLECULE_EPHEMERAL_DIRECTORY"] = str(Path(top) / f"{name}-{Path(top).name}")
        code = _running.run([ROOT / "tools/molecule.sh", "test", "-s", name], out, env)
    log = path.read_text(encoding="utf-8", errors="replace")
    if code != 0:
        tail = "\n".join(log.splitlines()[-TAIL:])
        raise AssertionError(f"scenario {name} failed ({code}), whole log in {path}\n{tail}")
    # A step whose playbook Molecule cannot find is skipped with a warning: that is a test not run.
    assert "Missing playbook" not in log, f"a step was skipped: see {path}"
    starts = list(STEP.finditer(log))
    ends = [match.start() for match in starts[1:]] + [len(log)]
    steps = [(m["step"], log[m.end() : end]) for m, end in zip(starts, ends, strict=True)]
    return Outcome(log, steps)
