"""The short form of the trial of slow and idle clients. Nothing here depends on how fast the machine is."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from tests.sdk.conftest import ENGINES, go, need
from tests.servers import running
from tests.trials.slow_clients import CLOSED, attack, findings, idle, raise_files

pytestmark = pytest.mark.sdk
__all__ = ["go"]
SLACK = 10_000.0  # ms: a busy machine notices a deadline late


@pytest.mark.parametrize("engine", ENGINES)
def test_slow_clients_are_closed_and_good_ones_served(go: str, engine: str) -> None:
    need(engine)
    counts = {"headers": 100, "bodies": 100, "halves": 20}
    done = attack(engine, *counts.values(), calm=1.0)
    assert findings(done, counts) == []
    for kind in counts:
        assert done.slow[kind]["closed"]["max"] < CLOSED * 1000 + SLACK, done.slow
    assert done.slow["bodies"]["answered"] == 100, "a slow body is told why it ends"


@pytest.mark.parametrize("engine", ENGINES)
def test_idle_connections_stay_and_good_clients_come_in(go: str, engine: str) -> None:
    need(engine)
    raise_files()
    done = idle(engine, 500, calm=1.0)
    assert done.opened == {"open": 500, "refused": None}
    assert done.answered == {"answered": 500, "lost": None}
    assert done.good["failures"] == []
    assert done.good["kept"]["count"] > 0


def test_the_server_takes_all_the_descriptors_it_may_have(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        with running(tmp_path) as server:
            limits = Path(f"/proc/{server.process.pid}/limits").read_text()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    line = next(line for line in limits.splitlines() if line.startswith("Max open files"))
    assert line.split()[3] == line.split()[4]
