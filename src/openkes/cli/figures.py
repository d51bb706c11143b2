"""From Prometheus text to the figures an operator looks at. Must not know where it came from or how it is shown.

Quantiles come from the buckets, as Prometheus itself would take them: the upper bound of the bucket.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from openkes.errors import OperatorError

_QUANTILES = (0.5, 0.99)
Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Figures:
    """`values`: sample name -> labels -> value."""

    values: dict[str, dict[Labels, float]] = field(default_factory=dict)

    def total(self, name: str) -> float | None:
        """The sum over all labels; None where there is no such sample."""
        samples = self.values.get(name)
        return sum(samples.values()) if samples else None

    def by(self, name: str, label: str) -> dict[str, float]:
        """Sums by one label, sorted."""
        sums: dict[str, float] = defaultdict(float)
        for labels, value in self.values.get(name, {}).items():
            sums[dict(labels).get(label, "")] += value
        return dict(sorted(sums.items()))

    def quantile(self, name: str, share: float, before: Figures | None = None) -> float | None:
        """Seconds below which `share` of all calls (since `before`) were; None without calls, inf beyond all."""
        counts = {float(bound): n for bound, n in self.by(f"{name}_bucket", "le").items()}
        if before is not None:
            for bound, n in before.by(f"{name}_bucket", "le").items():
                counts[float(bound)] = counts.get(float(bound), 0.0) - n
        wanted = share * counts.get(math.inf, 0.0)
        if not wanted:
            return None
        return next((bound for bound in sorted(counts) if counts[bound] >= wanted), math.inf)

    def document(self) -> dict[str, Any]:
        """For `--json`: plain numbers, seconds, bytes; what the server does not tell is left out."""
        known = {
            "requests": self.by("openkes_requests_total", "route"),
            "responses": self._responses(),
            "active_requests": self.total("kes_http_request_active"),
            "latency_seconds": self._quantiles("kes_http_response_time"),
            "keystore_latency_seconds": self._quantiles("openkes_keystore_duration_seconds"),
            "keystore_failures": self.total("openkes_keystore_failures_total"),
            "cache_hits": self.total("openkes_cache_hits_total"),
            "cache_misses": self.total("openkes_cache_misses_total"),
            "cache_keys": self.total("openkes_cache_keys"),
            "audit_events": self.total("kes_log_audit_events"),
            "audit_failures": self.total("openkes_audit_failures_total"),
            "certificate_expiry_seconds": self.total("openkes_certificate_expiry_seconds"),
            "uptime_seconds": self.total("kes_system_up_time"),
            "memory_bytes": self.total("kes_system_mem_heap_used"),
        }
        return {name: value for name, value in known.items() if value is not None and value != {}}

    def _responses(self) -> dict[str, float]:
        codes: dict[str, float] = {}
        for kind in ("success", "error", "failure"):
            codes |= self.by(f"kes_http_request_{kind}", "code")
        return codes

    def _quantiles(self, name: str) -> dict[str, float]:
        pairs = {f"p{share * 100:g}": self.quantile(name, share) for share in _QUANTILES}
        return {label: value for label, value in pairs.items() if value is not None and math.isfinite(value)}

    def rows(self, before: Figures | None = None, seconds: float = 0.0) -> list[tuple[str, str]]:
        """For people. With `before`, a look `seconds` ago: rates, and quantiles of the time between."""
        return list(self._rows(before, seconds))

    def _rows(self, before: Figures | None, seconds: float) -> Iterator[tuple[str, str]]:
        for label, kind in (("Requests ok", "success"), ("  4xx", "error"), ("  5xx", "failure")):
            yield label, self._count(f"kes_http_request_{kind}", before, seconds)
        yield "  active", _number(self.total("kes_http_request_active"))
        yield "  time", self._times("kes_http_response_time", before)
        yield "Key store", self._count("openkes_keystore_duration_seconds_count", before, seconds)
        yield "  failures", self._count("openkes_keystore_failures_total", before, seconds)
        yield "  time", self._times("openkes_keystore_duration_seconds", before)
        yield "Cache", f"{_number(self.total('openkes_cache_keys'))} keys"
        yield "  hits", self._count("openkes_cache_hits_total", before, seconds)
        yield "  misses", self._count("openkes_cache_misses_total", before, seconds)
        yield "Audit lines", self._count("kes_log_audit_events", before, seconds)
        yield "  failures", self._count("openkes_audit_failures_total", before, seconds)
        yield "Certificate", _days(self.total("openkes_certificate_expiry_seconds"))
        memory = self.total("kes_system_mem_heap_used")
        yield "Memory", "?" if memory is None else f"{memory / 2**20:.1f} MiB"

    def _count(self, name: str, before: Figures | None, seconds: float) -> str:
        now = self.total(name)
        if now is None and name.startswith("kes_http_request_"):
            now = 0.0  # a row appears with the first answer of its kind
        if now is None or before is None or not seconds:
            return _number(now)
        rate = (now - (before.total(name) or 0.0)) / seconds
        return f"{_number(now):<12} {rate:.1f}/s"

    def _times(self, name: str, before: Figures | None) -> str:
        shares = ((f"p{share * 100:g}", self.quantile(name, share, before)) for share in _QUANTILES)
        return ", ".join(f"{label} {_duration(value)}" for label, value in shares if value is not None) or "-"


def read(text: str) -> Figures:
    """OperatorError when it is no Prometheus text."""
    from prometheus_client.parser import text_string_to_metric_families  # noqa: PLC0415  # only this command pays

    values: dict[str, dict[Labels, float]] = defaultdict(dict)
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                values[sample.name][tuple(sorted(sample.labels.items()))] = sample.value
    except (ValueError, KeyError, IndexError):
        raise OperatorError("what the server answered is no Prometheus text") from None
    return Figures(dict(values))


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:,.0f}"


def _duration(seconds: float) -> str:
    if math.isinf(seconds):
        return "over 10 s"
    return f"<= {seconds * 1000:g} ms" if seconds < 1 else f"<= {seconds:g} s"


def _days(seconds: float | None) -> str:
    if seconds is None:
        return "?"
    return f"expires in {seconds / 86_400:.1f} days" if seconds > 0 else "EXPIRED"
