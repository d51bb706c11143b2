"""What a measurement gives, and what several come to: medians, ratios per round. Pure; prints nothing."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Sample:
    """One load on one server in one round. Times of a call in milliseconds; `cpu` is the server's in seconds, `rss`
    in bytes, both None where its process is not ours. `checked`: data keys opened afterwards."""

    calls: int
    seconds: float
    p50: float = 0.0
    p99: float = 0.0
    worst: float = 0.0
    cpu: float | None = None
    rss: int | None = None
    client_cpu: float | None = None
    connections: int | None = None
    protocol: str = ""
    resumed: int = 0
    checked: int = 0
    failed: int = 0
    failures: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, lowest and highest."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread | None:
    """None of nothing."""
    return Spread(statistics.median(values), min(values), max(values)) if values else None


#: A figure of a sample; None where there is none.
Figure = Callable[[Sample], float | None]


def rate(sample: Sample) -> float | None:
    """Calls per second."""
    return sample.calls / sample.seconds if sample.calls and sample.seconds else None


def p50(sample: Sample) -> float | None:
    return sample.p50 if sample.calls else None


def p99(sample: Sample) -> float | None:
    return sample.p99 if sample.calls else None


def worst(sample: Sample) -> float | None:
    return sample.worst if sample.calls else None


def cpu_per_1000(sample: Sample) -> float | None:
    """Seconds of the server's processor time for 1,000 calls."""
    return None if sample.cpu is None or not sample.calls else sample.cpu / sample.calls * 1000


def of(figure: Figure, samples: Sequence[Sample]) -> Spread | None:
    return spread([value for sample in samples if (value := figure(sample)) is not None])


def ratio(figure: Figure, subject: Sequence[Sample], other: Sequence[Sample]) -> Spread | None:
    """The subject's figure to the other's, round by round: what slows a machine down for a while slows both."""
    pairs = [(figure(mine), figure(its)) for mine, its in zip(subject, other, strict=True)]
    return spread([mine / its for mine, its in pairs if mine is not None and its])
