"""The main part: every load on every server in turn, round after round, and the tables of it.

Owns which loads there are and how their table looks. Must not know how a load is made or a server is started.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from tests.bench import ab, figures, table
from tests.bench.ceiling import LABEL as CEILING
from tests.bench.figures import Sample
from tests.bench.load import Effort, Load, measure
from tests.bench.servers import ON
from tests.bench.target import BAO, Target

LOADS = (
    Load("h2-1", "SDK, HTTP/2, one call at a time", ("-workers", "1")),
    Load("h2-16", "SDK, HTTP/2, 16 calls in flight", ("-workers", "16")),
    Load("h2-128", "SDK, HTTP/2, 128 calls in flight", ("-workers", "128")),
    Load("h1-16", "SDK, HTTP/1.1, 16 calls in flight, keep-alive", ("-workers", "16", "-http", "1"), bao=False),
    Load("ab-16", "ab, HTTP/1.1, 16 clients, keep-alive", None, bao=False),
    Load(
        "listing", "a listing: data keys of 1,000 objects opened one after the other, SDK, HTTP/2", ("-how", "listing")
    ),
    Load(
        "cold-16",
        "SDK, 16 calls in flight, each on a new TLS connection",
        ("-workers", "16", "-connect", "cold"),
        on=frozenset({ON, CEILING}),
    ),
    # The engine offers no tickets (ADR 1): for servers elsewhere.
    Load(
        "resumed-16",
        "SDK, the same with TLS session tickets, where the server gives any",
        ("-workers", "16", "-connect", "resumed"),
        bao=False,
        on=frozenset(),
    ),
)
HEAD = (
    *("rate ×", "p50 ×", "p99 ×", "CPU ×", "server"),
    *("calls/s", "p50 ms", "p99 ms", "CPU s/1,000", "RSS MiB", "protocol"),
)


@dataclass(slots=True)
class Row:
    """One load; samples of each server's rounds, in order."""

    load: Load
    samples: dict[str, list[Sample]] = field(default_factory=dict)


def takes_part(load: Load, target: Target, own: bool) -> bool:
    """`own`: the servers are those started here; foreign ones take part in every load that they can."""
    if target.kind == BAO:
        return load.bao
    if load.arguments is None and target.cert is None:
        return False
    return not own or load.on is None or target.label in load.on


def left_out(loads: Iterable[Load]) -> dict[str, str]:
    """Title of a load that cannot be made here to the reason."""
    why = ab.missing()
    return {load.title: why for load in loads if load.arguments is None and why is not None}


def measured(
    targets: Sequence[Target], effort: Effort, rounds: int, *, own: bool, progress: Callable[[str], None]
) -> list[Row]:
    """All loads that can be made, each on all servers in turn, `rounds` times."""
    rows = []
    absent = left_out(LOADS)
    for load in LOADS:
        if load.title in absent:
            continue
        row = Row(load, {target.label: [] for target in targets if takes_part(load, target, own)})
        if not row.samples:
            continue
        for number in range(rounds):
            for target in targets:
                if target.label in row.samples:
                    progress(f"{load.name}: round {number + 1} of {rounds}: {target.label}")
                    row.samples[target.label].append(measure(load, target, effort))
        rows.append(row)
    return rows


def text(rows: Sequence[Row], subject: str) -> list[str]:
    """A table a load. `subject`: the server whose figures are divided by each other's."""
    said = []
    for row in rows:
        cells = [_cells(label, samples, row.samples[subject]) for label, samples in row.samples.items()]
        said += ["", row.load.title, *("  " + line for line in table.lines(HEAD, cells))]
    return said


def _cells(label: str, samples: Sequence[Sample], subject: Sequence[Sample]) -> list[str]:
    def ratio(figure: figures.Figure) -> str:
        return "1" if samples is subject else table.whole(figures.ratio(figure, subject, samples))

    rss = figures.of(lambda sample: sample.rss and sample.rss / 2**20, samples)
    return [
        *(ratio(figure) for figure in (figures.rate, figures.p50, figures.p99, figures.cpu_per_1000)),
        label,
        table.whole(figures.of(figures.rate, samples)),
        table.middle(figures.of(figures.p50, samples)),
        table.middle(figures.of(figures.p99, samples)),
        table.middle(figures.of(figures.cpu_per_1000, samples)),
        table.NOTHING if rss is None else table.number(rss.high),
        ", ".join(sorted({_protocol(sample) for sample in samples})),
    ]


def _protocol(sample: Sample) -> str:
    return sample.protocol + (", resumed" if sample.resumed else "") if sample.protocol else "none"


def findings(rows: Sequence[Row]) -> list[str]:
    """Every call that was not answered as it should be."""
    return [
        f"{row.load.title}: {label}: {sample.failed} calls: {failure}"
        for row in rows
        for label, samples in row.samples.items()
        for sample in samples
        for failure in sample.failures
    ]
