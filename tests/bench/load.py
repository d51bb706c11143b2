"""Loads: how many calls at once, over what, made by which client; and one measurement of one.

Must not know which servers there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench import ab
from tests.bench.figures import Sample
from tests.bench.program import ProgramError, built, running
from tests.bench.target import Target


@dataclass(frozen=True, slots=True)
class Load:
    """`arguments` are those of the Go program `load`, or None where `ab` makes the calls. `on`: labels of the
    servers that are measured with it; None for all that speak the KES API, and OpenBao where `bao`."""

    name: str
    title: str
    arguments: Sequence[str] | None
    bao: bool = True
    on: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Effort:
    """`seconds` of one measurement. `verify`: every Nth data key is opened afterwards. `calls` of a listing."""

    seconds: float
    verify: int
    calls: int


def measure(load: Load, target: Target, effort: Effort) -> Sample:
    """One measurement. What went wrong is in the sample."""
    if load.arguments is None:
        return ab.measure(target, effort.seconds)
    seconds, verify, calls = (str(value) for value in (effort.seconds, effort.verify, effort.calls))
    command: list[str | Path] = [built() / "load", *target.flags, *load.arguments]
    command += ["-seconds", seconds, "-verify", verify, "-calls", calls, *(["-constant"] if target.constant else [])]
    try:
        with running(command, target.environment) as program:
            program.read("ready")
            before = target.cpu()
            program.go_on()
            ran = program.read("ran")
            after, rss = target.cpu(), target.rss()
            program.go_on()
            report = program.read("report")
    except ProgramError as error:
        return Sample(0, 0.0, failed=1, failures=[str(error)])
    except FileNotFoundError:  # in /proc
        return Sample(0, 0.0, failed=1, failures=["the server's process has ended"])
    cpu = None if before is None or after is None else after - before
    return _sample(ran, report, cpu, rss)


def _sample(ran: dict[str, Any], report: dict[str, Any], cpu: float | None, rss: int | None) -> Sample:
    versions = {"HTTP/1.1": report["http1"], "HTTP/2": report["http2"]}
    return Sample(
        calls=ran["calls"],
        seconds=ran["seconds"],
        p50=ran["p50"],
        p99=ran["p99"],
        worst=ran["max"],
        cpu=cpu,
        rss=rss,
        client_cpu=ran["client_cpu"],
        connections=ran["connections"],
        protocol=" and ".join(name for name, count in versions.items() if count),
        resumed=report["resumed"],
        checked=report["checked"],
        failed=report["failed"],
        failures=report["failures"] or [],
    )
