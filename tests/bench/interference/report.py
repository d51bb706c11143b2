"""The scenarios of a run, one after the other, and their table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.bench import figures, table
from tests.bench.interference import busy, crowds, disks
from tests.bench.interference.scenario import LOAD, Outcome, Scenario, measured
from tests.bench.load import Effort

HEAD = (
    *("p50 ×", "p99 ×", "beside", "p50 ms alone", "beside it", "p99 ms alone", "beside it"),
    "what went on in the last round",
)


@dataclass(frozen=True, slots=True)
class Size:
    """How much of each disturbance. Milliseconds for `store`, `disk` and `required`."""

    keys: int = 3000
    idle: int = 10_000
    store: int = 2000
    disk: int = 500
    required: int = 1
    filling: float = 3.0  # seconds


def scenarios(size: Size) -> list[Scenario]:
    return [
        *busy.scenarios(size.keys),
        *disks.scenarios(size.store, size.disk, size.required),
        *crowds.scenarios(size.idle, Effort(size.filling, 1000, 0)),
    ]


def run(size: Size, effort: Effort, rounds: int, progress: Callable[[str], None]) -> tuple[list[Outcome], list[str]]:
    """Outcomes, and what was left out with its reason."""
    outcomes, left_out = [], []
    for scenario in scenarios(size):
        if scenario.without is not None:
            left_out.append(f"{scenario.title}: {scenario.without}")
            continue
        progress(f"interference: {scenario.title}")
        outcomes.append(measured(scenario, effort, rounds))
    return outcomes, left_out


def text(outcomes: Sequence[Outcome]) -> list[str]:
    """Ratios are of the load beside the disturbance to the same load alone."""
    cells = [_cells(outcome) for outcome in outcomes]
    return ["", f"Interference: {LOAD.title}", *("  " + line for line in table.lines(HEAD, cells))]


def _cells(outcome: Outcome) -> list[str]:
    alone, beside = outcome.alone, outcome.beside
    times = [
        table.middle(figures.of(figure, samples))
        for figure in (figures.p50, figures.p99)
        for samples in (alone, beside)
    ]
    ratios = [table.whole(figures.ratio(figure, beside, alone)) for figure in (figures.p50, figures.p99)]
    return [*ratios, outcome.title, *times, outcome.done[-1]]


def findings(outcomes: Sequence[Outcome]) -> list[str]:
    return [f"{outcome.title}: {finding}" for outcome in outcomes for finding in outcome.findings]
