"""The real client SDK against the real server: every call, with both engines and both versions of HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.sdk import programs
from tests.sdk.conftest import ENGINES, Target, need, serving

pytestmark = pytest.mark.sdk

# The Python twin has no HTTP/2, so with it the SDK's own default settles on HTTP/1.1.
WIRES = [("engine", 2, "HTTP/2.0"), ("engine", 1, "HTTP/1.1"), ("python", 2, "HTTP/1.1")]
wires = pytest.mark.parametrize(("engine", "http", "protocol"), WIRES, ids=lambda value: str(value).replace("/", ""))

Targets = Callable[[str], Target]


def check(
    program: Path, *arguments: str, environment: Mapping[str, str] | None = None, at_least: int
) -> programs.Report:
    """Run a program whose findings must all be good, and which must have made that many checks."""
    report = programs.run(program, *arguments, environment=environment or {})
    assert report.failures == []
    assert report.checks >= at_least
    return report


@wires
def test_every_key_call(targets: Targets, built: Path, engine: str, http: int, protocol: str) -> None:
    target = targets(engine)
    report = check(built / "calls", *target.admin, "-http", str(http), at_least=80)
    assert set(report.facts["protocols"]) == {protocol}


@pytest.mark.parametrize("engine", ENGINES)
def test_every_key_call_with_an_api_key(targets: Targets, built: Path, engine: str) -> None:
    target = targets(engine)
    check(built / "calls", *target.flags, environment={"KES_API_KEY": target.full}, at_least=80)


@pytest.mark.parametrize("engine", ENGINES)
def test_denied_calls(targets: Targets, built: Path, engine: str) -> None:
    target = targets(engine)
    check(built / "denied", *target.admin, environment={"KES_LIMITED_API_KEY": target.limited}, at_least=25)


@wires
def test_what_the_server_says_of_itself(targets: Targets, built: Path, engine: str, http: int, protocol: str) -> None:
    report = check(built / "system", *targets(engine).admin, "-http", str(http), at_least=30)
    assert set(report.facts["protocols"]) == {protocol}


@wires
def test_many_callers_at_once(targets: Targets, built: Path, engine: str, http: int, protocol: str) -> None:
    workers = 32
    report = check(
        built / "concurrency", *targets(engine).admin, "-http", str(http), "-workers", str(workers), at_least=3000
    )
    assert set(report.facts["protocols"]) == {protocol}
    print(f"{engine} {protocol}: {report.facts}")
    if protocol == "HTTP/2.0":
        # Why HTTP/2 matters: without it nearly every call of a busy MinIO pays for a TLS handshake.
        assert report.facts["connections"] < workers


@pytest.mark.parametrize("engine", ENGINES)
def test_a_body_without_a_byte_is_refused(targets: Targets, built: Path, engine: str) -> None:
    target = targets(engine)
    http = "2" if engine == "engine" else "1"
    check(built / "emptybody", *target.admin, "-http", http, at_least=240)


@pytest.mark.parametrize(("writer", "reader"), [("engine", "python"), ("python", "engine")])
def test_one_engine_reads_what_the_other_wrote(tmp_path: Path, built: Path, writer: str, reader: str) -> None:
    need("engine")
    file = str(tmp_path / "ciphertexts.json")
    with serving(writer, tmp_path) as target:
        check(built / "exchange", *target.admin, "-mode", "write", "-file", file, at_least=300)
    with serving(reader, tmp_path) as target:
        check(built / "exchange", *target.admin, "-mode", "read", "-file", file, at_least=300)
