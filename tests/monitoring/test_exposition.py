"""What a running server shows: well-formed, and everything that alerts and dashboard ask for."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from openkes.client import AnswerError
from tests.monitoring.promtool import promtool
from tests.monitoring.test_rules import dashboard_expressions, rules
from tests.servers import make_identity, running

# Kept as upstream has them: its dashboards ask for these names.
UPSTREAM = {
    "kes_http_request_active",
    "kes_http_request_error",
    "kes_http_request_failure",
    "kes_http_request_success",
    "kes_http_response_time",
    "kes_log_audit_events",
    "kes_log_error_events",
    "kes_system_mem_heap_objects",
    "kes_system_mem_heap_used",
    "kes_system_mem_stack_used",
    "kes_system_num_cpu",
    "kes_system_num_cpu_used",
    "kes_system_num_threads",
    "kes_system_up_time",
}
_NAME = re.compile(r"\b(?:kes|openkes)_[a-z0-9_]+")
OF_PROMETHEUS = {"up"}


@pytest.fixture(scope="module")
def exposition(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a server that has been used: answers, refusals, a key from the store and one from memory."""
    folder = tmp_path_factory.mktemp("server")
    stranger = make_identity(folder, "stranger")
    with running(folder) as server, server.client() as client, server.client(stranger) as refused:
        client.create_key("k")
        for _ in range(2):
            client.decrypt("k", client.encrypt("k", b"message"))
        with contextlib.suppress(AnswerError):
            client.describe_key("missing")
        with pytest.raises(AnswerError):
            refused.generate("k")
        client.status()
        yield client.metrics()


def samples(text: str) -> dict[str, float]:
    """Sums by sample name."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0.0) + sample.value
    return found


def families(text: str) -> set[str]:
    return {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ")}


def test_everything_that_alerts_and_dashboard_name_is_there(exposition: str) -> None:
    # A family without samples (a kind of failure that did not happen) shows by its TYPE line.
    there = set(samples(exposition)) | families(exposition)
    asked = {
        name
        for text in [*(rule["expr"] for rule in rules().values()), *dashboard_expressions()]
        for name in _NAME.findall(text)
    }
    assert asked - there == set()


def test_what_has_happened_was_counted(exposition: str) -> None:
    found = samples(exposition)
    for name in (
        "openkes_cache_hits_total",
        "openkes_cache_misses_total",
        "openkes_cache_keys",
        "openkes_keystore_duration_seconds_count",
        "kes_log_audit_events",
        "kes_log_error_events",
        "kes_http_request_success",
        "kes_http_request_error",
    ):
        assert found[name] > 0, name
    assert 29 * 86_400 < found["openkes_certificate_expiry_seconds"] < 30 * 86_400
    assert 'openkes_requests_total{code="403",route="key_generate"} 1.0' in exposition
    assert 'openkes_keystore_failures_total{call="get"} 0.0' in exposition


def test_upstreams_names_are_kept(exposition: str) -> None:
    assert {name for name in families(exposition) if name.startswith("kes_")} == UPSTREAM


def test_buckets_resolve_a_tenth_of_a_millisecond(exposition: str) -> None:
    bounds = {float(b) for b in re.findall(r'openkes_request_duration_seconds_bucket\{le="([^"]+)"', exposition)}
    assert {0.0001, 0.0002, 0.0003} <= bounds


def test_promtool_finds_no_fault(exposition: str) -> None:
    done = promtool("check", "metrics", stdin=exposition)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
