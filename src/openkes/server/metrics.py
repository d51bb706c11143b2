"""What Prometheus scrapes: counted by plain additions, put into words on a scrape.

Upstream's names are kept so that its dashboards work; names that begin with `openkes_` are new. Must not know
Flask; reads the state it is given.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from bisect import bisect_left
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)

from openkes.keystore import token_expires_in
from openkes.server.memory import memory_used

if TYPE_CHECKING:
    from openkes.server.state import State

#: The calls that are measured. Each has a row from the start: a counter that first appears at 1 shows no increase.
STORE_CALLS = ("create", "get", "replace", "delete", "list", "status")
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
#: Seconds. Upstream's begin at 10 ms, where no call ever is; a data call takes 0.1 ms.
BUCKETS = (0.00005, 0.0001, 0.0002, 0.0003, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 1.5, 3, 5, 10)


class Text(NamedTuple):
    """A body that is not JSON. `plain` is for clients that send no Accept: what upstream has, and no more."""

    content_type: str
    body: bytes
    plain: bytes


class Histogram:
    """Counts per bucket (the last one: beyond all), and the sum."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.total += seconds

    def __add__(self, other: Histogram) -> Histogram:
        both = Histogram()
        both.counts = [a + b for a, b in zip(self.counts, other.counts, strict=True)]
        both.total = self.total + other.total
        return both

    def buckets(self) -> list[tuple[str, float]]:
        seen, rows = 0, []
        for bound, count in zip((*map(str, BUCKETS), "+Inf"), self.counts, strict=True):
            seen += count
            rows.append((bound, float(seen)))
        return rows


class Metrics:
    """Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: dict[tuple[str, int], int] = {}
        self._durations: dict[str, Histogram] = {}
        self._alone: dict[str, Histogram] = {}
        self.store_calls = {call: Histogram() for call in STORE_CALLS}
        self.store_failures = dict.fromkeys(STORE_CALLS, 0)
        self.active = 0

    def begin(self) -> None:
        with self._lock:
            self.active += 1

    def end(self) -> None:
        with self._lock:
            self.active -= 1

    def observe(self, route: str, status: int, seconds: float) -> None:
        key = (route, status)
        with self._lock:
            self._requests[key] = self._requests.get(key, 0) + 1
            histogram = self._durations.get(route)
            if histogram is None:
                histogram = self._durations[route] = Histogram()
            histogram.add(seconds)

    def alone(self, route: str) -> Histogram:
        """Answers with 200 of a route through the hot door, which gives one at a time. Nobody else may add to them:
        then a plain addition is exact, and needs no lock that somebody else could hold."""
        with self._lock:
            return self._alone.setdefault(route, Histogram())

    def observe_store(self, call: str, seconds: float, failed: bool) -> None:
        with self._lock:
            self.store_calls[call].add(seconds)
            self.store_failures[call] += failed

    def exposition(self, state: State) -> Text:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Scrape(self, state))
        text = generate_latest(registry)
        return Text(CONTENT_TYPE, text, _as_upstream(text))

    def snapshot(self) -> tuple[dict[tuple[str, int], int], dict[str, Histogram]]:
        with self._lock:
            requests = dict(self._requests)
            durations = {route: histogram + Histogram() for route, histogram in self._durations.items()}
            alone = [
                (route, histogram + Histogram()) for route, histogram in self._alone.items() if any(histogram.counts)
            ]
        for route, histogram in alone:
            requests[route, 200] = requests.get((route, 200), 0) + sum(histogram.counts)
            durations[route] = durations.get(route, Histogram()) + histogram
        return requests, durations


class _Scrape:
    """A prometheus collector over one moment."""

    def __init__(self, metrics: Metrics, state: State) -> None:
        self._metrics = metrics
        self._state = state

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        requests, durations = self._metrics.snapshot()
        yield from _requests(requests)
        yield _response_time(durations)
        yield _gauge("kes_http_request_active", "Requests that are not finished yet.", self._metrics.active)
        yield _by_route(requests)
        yield _durations("openkes_request_duration_seconds", "Time to answer, by route.", "route", durations)
        yield from self._store()
        yield from self._cache()
        yield from self._logs()
        yield from self._certificate()
        yield InfoMetricFamily("openkes_build", "The running version.", {"version": self._state.version})
        yield from _system(self._state)

    def _store(self) -> Iterator[Metric]:
        calls, failures = self._metrics.store_calls, self._metrics.store_failures
        yield _durations("openkes_keystore_duration_seconds", "Time of key store calls.", "call", calls)
        family = CounterMetricFamily("openkes_keystore_failures", "Key store calls that failed.", labels=["call"])
        for call, count in failures.items():
            family.add_metric([call], count)
        yield family
        keys = self._state.keys
        reachable = "Whether the key store answers: 1, or 0 while it is away."
        yield _gauge("openkes_keystore_reachable", reachable, not keys.away)
        login = "Until the login to the key store expires, where it does."
        yield GaugeMetricFamily("openkes_keystore_token_expiry_seconds", login, token_expires_in(keys.store))

    def _cache(self) -> Iterator[Metric]:
        keys = self._state.keys
        yield CounterMetricFamily("openkes_cache_hits", "Keys served from memory.", keys.hits)
        yield CounterMetricFamily("openkes_cache_misses", "Keys asked of the store.", keys.misses)
        yield _gauge("openkes_cache_keys", "Keys in memory.", keys.size)

    def _logs(self) -> Iterator[Metric]:
        audit = self._state.audit
        events = _upstream_counter("kes_log_audit_events", "Audit lines.")
        events.add_sample("kes_log_audit_events", {}, audit.lines)
        yield events
        errors = _upstream_counter("kes_log_error_events", "Warnings and errors of the server.")
        errors.add_sample("kes_log_error_events", {}, self._state.error_lines.events)
        yield errors
        yield CounterMetricFamily("openkes_audit_failures", "Audit lines that could not be written.", audit.failures)

    def _certificate(self) -> Iterator[Metric]:
        if self._state.certificate_not_after is not None:
            left = self._state.certificate_not_after - time.time()
            yield _gauge("openkes_certificate_expiry_seconds", "Until the server's certificate expires.", left)


def _as_upstream(text: bytes) -> bytes:
    """Upstream's families alone, its counters called counters. The client SDK, and so MinIO, refuses the whole
    answer when any other family has more than one row; it sends no Accept, as every scraper does."""
    lines = [
        line
        for line in text.splitlines(keepends=True)
        if line.removeprefix(b"# HELP ").removeprefix(b"# TYPE ").startswith(b"kes_")
    ]
    return b"".join(lines).replace(b" untyped\n", b" counter\n")


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value)


def _upstream_counter(name: str, text: str) -> Metric:
    # Upstream's counters do not end in _total, which the library gives to every counter; queries ask for no type.
    return Metric(name, text, "unknown")


def _requests(requests: dict[tuple[str, int], int]) -> Iterator[Metric]:
    """Upstream's three counters, by status code."""
    by_code: dict[int, int] = {}
    for (_, status), count in requests.items():
        by_code[status] = by_code.get(status, 0) + count
    for name, text, low, high in (
        ("success", "Requests that have been served successfully.", 0, 399),
        ("error", "Requests that failed due to some error. (HTTP 4xx status code)", 400, 499),
        ("failure", "Requests that failed due to some internal failure. (HTTP 5xx status code)", 500, 599),
    ):
        family = _upstream_counter(f"kes_http_request_{name}", text)
        for status, count in sorted(by_code.items()):
            if low <= status <= high:
                family.add_sample(f"kes_http_request_{name}", {"code": str(status)}, count)
        yield family


def _response_time(durations: dict[str, Histogram]) -> Metric:
    total = sum(durations.values(), Histogram())
    family = HistogramMetricFamily("kes_http_response_time", "Response times of all requests in seconds.")
    family.add_metric([], total.buckets(), total.total)
    return family


def _by_route(requests: dict[tuple[str, int], int]) -> Metric:
    family = CounterMetricFamily("openkes_requests", "Requests by route and status.", labels=["route", "code"])
    for (route, status), count in sorted(requests.items()):
        family.add_metric([route, str(status)], count)
    return family


def _durations(name: str, text: str, label: str, histograms: dict[str, Histogram]) -> Metric:
    family = HistogramMetricFamily(name, text, labels=[label])
    for value, histogram in sorted(histograms.items()):
        family.add_metric([value], histogram.buckets(), histogram.total)
    return family


def _system(state: State) -> Iterator[Metric]:
    memory = memory_used()
    yield _gauge("kes_system_up_time", "Seconds since the server started.", time.monotonic() - state.started)
    yield _gauge("kes_system_num_cpu", "Logical CPUs.", os.cpu_count() or 1)
    yield _gauge("kes_system_num_cpu_used", "Logical CPUs this process may use.", len(os.sched_getaffinity(0)))
    yield _gauge("kes_system_num_threads", "Threads of this process.", threading.active_count())
    yield _gauge("kes_system_mem_heap_used", "Resident memory in bytes.", memory.resident)
    yield _gauge("kes_system_mem_heap_objects", "Memory blocks in use.", sys.getallocatedblocks())
    yield _gauge("kes_system_mem_stack_used", "Stack of the main thread in bytes.", memory.stack)
