"""A stage is a server that scenarios share; a scenario disturbs it. Their rounds: the load alone, then beside the
disturbance, one scenario after the other, again and again. Must not know any disturbance."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.figures import Sample
from tests.bench.load import Effort, Load, measure
from tests.bench.program import Program, ProgramError, built, running
from tests.bench.servers import ON, as_admin, openkes
from tests.bench.target import Target
from tests.servers import KeyServer

#: Calls come at a rate well below what the server can do: what is measured is waiting, not a full machine.
LOAD = Load("paced", "data keys at 500 calls a second, SDK, HTTP/2", ("-how", "paced", "-pace", "500"))


@dataclass(slots=True)
class Disturbance:
    """What went on beside the load: for people, and what of it failed."""

    done: str = ""
    failures: list[str] = field(default_factory=list)


#: From a server to its disturbance, which lasts as long as the context.
Disturb = Callable[[KeyServer, Target], AbstractContextManager[Disturbance]]


@dataclass(frozen=True, slots=True)
class Scenario:
    title: str
    disturb: Disturb


@dataclass(frozen=True, slots=True)
class Stage:
    """`config` over that of an ordinary server; `environment` for it, from the folder above its own; `prepare` before
    the first round. `without`: why it cannot be on this machine."""

    scenarios: Sequence[Scenario]
    label: str = ON
    config: Mapping[str, Any] = field(default_factory=dict)
    environment: Callable[[Path], Mapping[str, str]] = lambda folder: {}
    prepare: Callable[[KeyServer], None] = lambda server: None
    without: str | None = None


@dataclass(slots=True)
class Outcome:
    """Samples of each round, alone and beside the disturbance."""

    title: str
    alone: list[Sample] = field(default_factory=list)
    beside: list[Sample] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)


def measured(stage: Stage, effort: Effort, rounds: int, progress: Callable[[str], None]) -> list[Outcome]:
    """What goes wrong, the death of the server included, is in the outcomes."""
    outcomes = [Outcome(scenario.title) for scenario in stage.scenarios]
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            environment = stage.environment(folder)
            with openkes(stage.label, folder / "server", stage.config, environment) as (server, target):
                stage.prepare(server)
                for number in range(rounds):
                    for scenario, outcome in zip(stage.scenarios, outcomes, strict=True):
                        progress(f"interference: round {number + 1} of {rounds}: {scenario.title}")
                        _round(scenario, outcome, effort, server, target)
    except AssertionError as error:
        outcomes[0].findings.append(str(error))
    for outcome in outcomes:
        for sample in (*outcome.alone, *outcome.beside):
            outcome.findings += [f"{sample.failed} calls: {failure}" for failure in sample.failures]
    return outcomes


def _round(scenario: Scenario, outcome: Outcome, effort: Effort, server: KeyServer, target: Target) -> None:
    """AssertionError when the server dies."""
    alone = measure(LOAD, target, effort)
    try:
        with scenario.disturb(server, target) as disturbance:
            beside = measure(LOAD, target, effort)
            server.check_alive()
    except ProgramError as error:
        outcome.findings.append(str(error))
        return
    outcome.alone.append(alone)
    outcome.beside.append(beside)
    outcome.done.append(disturbance.done)
    outcome.findings += disturbance.failures


@contextmanager
def program(server: KeyServer, target: Target, arguments: Sequence[str], unit: str) -> Iterator[Disturbance]:
    """The Go program `disturb`, as the admin."""
    disturbance = Disturbance()
    with running([built() / "disturb", *as_admin(target, server).flags, *arguments], {}) as started:
        started.read("ready")
        yield disturbance
        _end(started, disturbance, unit)


def _end(started: Program, disturbance: Disturbance, unit: str) -> None:
    started.finish()
    report = started.read("report")
    disturbance.done = f"{report['turns']:,} {unit}"
    disturbance.failures += [f"beside it: {failure}" for failure in report["failures"] or []]
