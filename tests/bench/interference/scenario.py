"""A scenario: one server, one load, one disturbance; and its rounds. Must not know any disturbance."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.figures import Sample
from tests.bench.load import Effort, Load, measure
from tests.bench.program import Program, built, running
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
    """`config` over that of an ordinary server; `environment` for it; `prepare` before the first round. `without`:
    why it cannot be made on this machine."""

    title: str
    disturb: Disturb
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


def measured(scenario: Scenario, effort: Effort, rounds: int) -> Outcome:
    """AssertionError when the server dies."""
    outcome = Outcome(scenario.title)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = scenario.environment(folder)
        with openkes(scenario.label, folder / "server", scenario.config, environment) as (server, target):
            scenario.prepare(server)
            for _ in range(rounds):
                outcome.alone.append(measure(LOAD, target, effort))
                with scenario.disturb(server, target) as disturbance:
                    outcome.beside.append(measure(LOAD, target, effort))
                    server.check_alive()
                outcome.done.append(disturbance.done)
                outcome.findings += disturbance.failures
    for sample in (*outcome.alone, *outcome.beside):
        outcome.findings += [f"{sample.failed} calls: {failure}" for failure in sample.failures]
    return outcome


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
    disturbance.done = f"{report['turns']} {unit}"
    disturbance.failures += [f"beside it: {failure}" for failure in report["failures"] or []]
