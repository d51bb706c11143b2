"""The benchmark works: every row is there and every call was answered rightly. Never how fast."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from openkes import front
from tests.bench import ab, ceiling, openbao, throughput
from tests.bench.__main__ import run
from tests.bench.arguments import parse
from tests.bench.interference.report import stages
from tests.bench.load import measure
from tests.bench.report import Report
from tests.bench.servers import KEY, OFF, ON, REQUIRED, openkes
from tests.bench.target import Target
from tests.sdk.conftest import go

pytestmark = [
    pytest.mark.sdk,
    pytest.mark.skipif(not front.have_engine(), reason="openkes-engine is not installed: tools/engine.sh"),
    pytest.mark.usefixtures("go"),
]
__all__ = ["go"]
OWN = {ON, OFF, REQUIRED, ceiling.LABEL}


def quick(tmp_path: Path, *words: str) -> tuple[Report, dict[str, Any]]:
    """A report, and its file."""
    file = tmp_path / "figures.json"
    report = run(parse(["--quick", "--json", str(file), *words]))
    assert report.findings == []
    return report, json.loads(file.read_text())


def right(sample: dict[str, Any]) -> bool:
    return bool(sample["calls"]) and not sample["failed"] and not sample["failures"]


def foreign(target: Target) -> list[str]:
    files = ["--key", str(target.key), "--cert", str(target.cert), "--ca", str(target.ca)]
    return ["--endpoint", target.endpoint, "--key-name", target.key_name, *files]


def test_every_load_on_every_server(tmp_path: Path) -> None:
    report, data = quick(tmp_path)
    servers = set(OWN)
    if (no_bao := openbao.missing()) is None:
        servers.add(openbao.LABEL)
    else:
        assert any(no_bao in line for line in report.lines)
    expected = {"h2-1", "h2-16", "h2-128", "h1-16", "listing", "cold-16"}
    if (no_ab := ab.missing()) is None:
        expected.add("ab-16")
    else:
        assert any(no_ab in line for line in report.lines)
    found = data["throughput"]
    assert set(found) == expected
    for name in ("h2-1", "h2-16", "h2-128", "listing"):
        assert set(found[name]) == servers
    assert set(found["h1-16"]) == OWN
    for name, row in found.items():
        wire = "HTTP/1.1" if name.startswith(("h1", "ab")) else "HTTP/2"
        for label, samples in row.items():
            assert all(right(sample) and sample["protocol"] == wire for sample in samples), (name, label, samples)
            assert all(sample["cpu"] is not None and sample["rss"] > 2**20 for sample in samples)
    assert all(sample["checked"] >= sample["calls"] for sample in found["h2-16"][ON]), "each data key was opened again"
    assert all(sample["connections"] > sample["calls"] / 2 for sample in found["cold-16"][ON])
    assert all(sample["connections"] < sample["calls"] / 2 for sample in found["h1-16"][ON]), "connections are kept"
    shown = [line for line in report.lines if line.startswith("  ") and line.endswith(("HTTP/1.1", "HTTP/2"))]
    assert len(shown) == sum(len(row) for row in found.values())


def test_every_disturbance(tmp_path: Path) -> None:
    report, data = quick(tmp_path, "--interference")
    found = {outcome["title"]: outcome for outcome in data["interference"]}
    for stage in stages(parse(["--quick"]).size):
        for scenario in stage.scenarios:
            if stage.without is not None:
                assert f"{scenario.title}: {stage.without}" in report.left_out
                continue
            outcome = found[scenario.title]
            assert len(outcome["alone"]) == len(outcome["beside"]) == 1
            assert all(right(sample) for sample in (*outcome["alone"], *outcome["beside"]))
            assert not outcome["done"][0].startswith("0 "), outcome
            assert any(scenario.title in line for line in report.lines)


def test_life(tmp_path: Path) -> None:
    _, data = quick(tmp_path, "--life")
    assert all(len(data["life"][figure]) == 1 and data["life"][figure][0] > 0 for figure in data["life"])


def test_two_servers_that_run_elsewhere(tmp_path: Path) -> None:
    with openkes(ON, tmp_path / "server") as (_, target):
        report, data = quick(tmp_path, *foreign(target), "--against", target.endpoint)
    for row in data["throughput"].values():
        assert set(row) == {target.endpoint, f"{target.endpoint} again"}
        assert all(right(sample) for samples in row.values() for sample in samples)
    assert {"cold-16", "resumed-16"} < set(data["throughput"])
    assert any("again" in line for line in report.lines)


def test_refused_calls_are_findings(tmp_path: Path) -> None:
    effort = parse(["--quick"]).effort
    loads = [throughput.LOADS[0], *(load for load in throughput.LOADS if load.arguments is None and not ab.missing())]
    with openkes(ON, tmp_path / "server") as (_, target):
        refused = replace(target, key_name="no-such-key")
        rows = [throughput.Row(load, {target.label: [measure(load, refused, effort)]}) for load in loads]
    assert len(throughput.findings(rows)) == len(loads)
    assert "insufficient permissions" in throughput.findings(rows)[0]


def test_a_server_that_gives_one_data_key_to_all_is_found_out(tmp_path: Path) -> None:
    effort = parse(["--quick"]).effort
    with openkes(ON, tmp_path / "server") as (server, target), ceiling.constant(server, target) as same:
        honest = measure(throughput.LOADS[0], same, effort)
        pretending = measure(throughput.LOADS[0], replace(same, constant=False), effort)
        with server.client() as admin:
            assert KEY in admin.list_keys()[0]
    assert not honest.failures
    assert pretending.failures == ["two data keys are the same"]
