"""The scenarios of a run, one after the other, and their table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.bench import figures, table
from tests.bench.interference import busy, crowds, disks
from tests.bench.interference.scenario import LOAD, Outcome, Stage, measured
from tests.bench.load import Effort

FIGURES = (figures.p50, figures.p99, figures.worst)
HEAD = (
    *("p50 ×", "p99 ×", "beside"),
    *(cell for name in ("p50", "p99", "max") for cell in (f"{name} ms alone", "beside")),
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


def stages(size: Size) -> list[Stage]:
    everyday = [*busy.scenarios(size.keys), *crowds.scenarios(size.idle, Effort(size.filling, 1000, 0))]
    return [
        Stage(everyday, prepare=lambda server: busy.make_keys(server, size.keys)),
        *disks.stages(size.store, size.disk, size.required),
    ]


def run(size: Size, effort: Effort, rounds: int, progress: Callable[[str], None]) -> tuple[list[Outcome], list[str]]:
    """Outcomes, and what was left out with its reason."""
    outcomes: list[Outcome] = []
    left_out: list[str] = []
    for stage in stages(size):
        if stage.without is None:
            outcomes += measured(stage, effort, rounds, progress)
        else:
            left_out += [f"{scenario.title}: {stage.without}" for scenario in stage.scenarios]
    return outcomes, left_out


def text(outcomes: Sequence[Outcome]) -> list[str]:
    """Ratios are of the load beside the disturbance to the same load alone."""
    cells = [_cells(outcome) for outcome in outcomes]
    return ["", f"Interference: {LOAD.title}", *("  " + line for line in table.lines(HEAD, cells))]


def _cells(outcome: Outcome) -> list[str]:
    alone, beside = outcome.alone, outcome.beside
    times = [table.middle(figures.of(figure, samples)) for figure in FIGURES for samples in (alone, beside)]
    ratios = [table.whole(figures.ratio(figure, beside, alone)) for figure in (figures.p50, figures.p99)]
    return [*ratios, outcome.title, *times, outcome.done[-1] if outcome.done else table.NOTHING]


def findings(outcomes: Sequence[Outcome]) -> list[str]:
    return [f"{outcome.title}: {finding}" for outcome in outcomes for finding in outcome.findings]
