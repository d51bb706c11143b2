"""Figures from Prometheus text: sums, rates and quantiles."""

from __future__ import annotations

import math

import pytest

from openkes.cli import figures
from openkes.errors import OperatorError

TEXT = """\
# TYPE kes_http_response_time histogram
kes_http_response_time_bucket{le="0.001"} 50
kes_http_response_time_bucket{le="0.01"} 99
kes_http_response_time_bucket{le="+Inf"} 100
kes_http_response_time_count 100
kes_http_response_time_sum 1
# TYPE openkes_requests_total counter
openkes_requests_total{route="key_create",code="200"} 3
openkes_requests_total{route="key_create",code="400"} 2
openkes_requests_total{route="version",code="200"} 1
# TYPE kes_http_request_success untyped
kes_http_request_success{code="200"} 4
# TYPE openkes_certificate_expiry_seconds gauge
openkes_certificate_expiry_seconds 129600
"""
LATER = TEXT.replace('le="0.01"} 99', 'le="0.01"} 119').replace('le="+Inf"} 100', 'le="+Inf"} 120')


def test_sums() -> None:
    found = figures.read(TEXT)
    assert found.total("openkes_requests_total") == 6
    assert found.by("openkes_requests_total", "route") == {"key_create": 5, "version": 1}
    assert found.total("missing") is None


@pytest.mark.parametrize(("share", "bound"), [(0.5, 0.001), (0.51, 0.01), (0.99, 0.01), (1.0, math.inf)])
def test_quantiles_are_the_buckets_bounds(share: float, bound: float) -> None:
    assert figures.read(TEXT).quantile("kes_http_response_time", share) == bound


def test_quantiles_of_the_time_between_two_looks() -> None:
    before, now = figures.read(TEXT), figures.read(LATER)
    assert now.quantile("kes_http_response_time", 0.01, before) == 0.01  # all 20 new ones were there
    assert now.quantile("kes_http_response_time", 0.5, now) is None  # nothing happened


def test_rows_have_rates_from_the_second_look_on() -> None:
    before, now = figures.read(TEXT), figures.read(LATER.replace('success{code="200"} 4', 'success{code="200"} 24'))
    assert dict(before.rows())["Requests ok"] == "4"
    rows = dict(now.rows(before, 10.0))
    assert rows["Requests ok"].split() == ["24", "2.0/s"]
    assert rows["Certificate"] == "expires in 1.5 days"


def test_what_the_server_does_not_tell_is_left_out() -> None:
    document = figures.read(TEXT).document()
    assert document["requests"] == {"key_create": 5, "version": 1}
    assert document["latency_seconds"] == {"p50": 0.001, "p99": 0.01}
    assert "cache_hits" not in document
    assert dict(figures.read(TEXT).rows())["Cache"] == "? keys"


def test_an_expired_certificate_is_loud() -> None:
    text = "openkes_certificate_expiry_seconds -5\n"
    assert dict(figures.read(text).rows())["Certificate"] == "EXPIRED"


@pytest.mark.parametrize("text", ["<html>", 'a{b="c} 1', "name value"])
def test_no_prometheus_text(text: str) -> None:
    with pytest.raises(OperatorError):
        figures.read(text)
