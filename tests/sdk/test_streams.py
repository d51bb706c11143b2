"""The log streams through the real client SDK: one client listens, others act; both ends can end a stream."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.sdk.conftest import ENGINES, Target, need, serving
from tests.sdk.test_calls import check, wires

pytestmark = pytest.mark.sdk

Targets = Callable[[str], Target]


def stream(target: Target, built: Path, mode: str, http: int, at_least: int) -> dict[str, int]:
    """Run a mode of the program; the protocols of its answers."""
    environment = {"KES_LIMITED_API_KEY": target.limited}
    options = ["-http", str(http), "-mode", mode]
    report = check(built / "streams", *target.admin, *options, environment=environment, at_least=at_least)
    return dict(report.facts["protocols"])


@wires
def test_the_audit_log_shows_every_call(targets: Targets, built: Path, engine: str, http: int, protocol: str) -> None:
    assert set(stream(targets(engine), built, "audit", http, at_least=300)) == {protocol}


@wires
def test_the_error_log_shows_refusals(targets: Targets, built: Path, engine: str, http: int, protocol: str) -> None:
    assert set(stream(targets(engine), built, "error", http, at_least=100)) == {protocol}


@wires
def test_a_client_that_stops_listening_frees_its_place(
    targets: Targets, built: Path, engine: str, http: int, protocol: str
) -> None:
    stream(targets(engine), built, "cancel", http, at_least=600)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_server_that_stops_ends_its_streams(tmp_path: Path, built: Path, engine: str) -> None:
    need(engine)
    with serving(engine, tmp_path) as target:
        listener = subprocess.Popen(
            [built / "streams", *target.admin, "-mode", "drain"],
            env={"PATH": os.environ["PATH"], "KES_LIMITED_API_KEY": target.limited},
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert listener.stdout is not None
            assert listener.stdout.readline() == "listening\n"
            assert target.server.stop() == 0
            report = json.loads(listener.stdout.read())
            assert report["failures"] is None
            assert report["checks"] >= 7
            assert listener.wait(10) == 0
        finally:
            listener.kill()
            listener.wait()
