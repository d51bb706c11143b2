"""Policies, identities, metrics and long listings through the real client SDK."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.sdk.conftest import ENGINES, Target, need, serving
from tests.sdk.test_calls import check, wires

pytestmark = pytest.mark.sdk

Targets = Callable[[str], Target]


@wires
def test_policies_and_identities(targets: Targets, built: Path, engine: str, http: int, protocol: str) -> None:
    target = targets(engine)
    environment = {"KES_LIMITED_API_KEY": target.limited}
    report = check(built / "records", *target.admin, "-http", str(http), environment=environment, at_least=55)
    assert set(report.facts["protocols"]) == {protocol}


@wires
def test_metrics(targets: Targets, built: Path, engine: str, http: int, protocol: str) -> None:
    report = check(built / "metrics", *targets(engine).admin, "-http", str(http), at_least=50)
    assert set(report.facts["protocols"]) == {protocol}


@pytest.mark.parametrize("engine", ENGINES)
def test_no_key_is_lost_from_a_long_list(tmp_path: Path, built: Path, engine: str) -> None:
    need(engine)
    with serving(engine, tmp_path) as target:
        check(built / "listing", *target.admin, "-count", "3000", at_least=3000)
