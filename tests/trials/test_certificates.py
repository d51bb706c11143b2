"""The short form of the trial of client certificates: fewer random changes, no huge keys to be made."""

from __future__ import annotations

import pytest

from tests.sdk.conftest import ENGINES, built, go, need
from tests.trials.cases import Cases
from tests.trials.certificates import trial

pytestmark = pytest.mark.sdk
__all__ = ["built", "go"]


@pytest.fixture(scope="session")
def cases(go: str) -> Cases:
    """Keys of many kinds take seconds to make: once for all."""
    return Cases(flips=120, big=False)


@pytest.mark.parametrize("auth", ["off", "on"])
@pytest.mark.parametrize("engine", ENGINES)
def test_no_odd_certificate_is_taken_for_a_good_one(cases: Cases, engine: str, auth: str) -> None:
    need(engine)
    result = trial(engine, auth, cases)
    print(result.table())
    assert result.findings == []
    assert result.shown >= 350
    assert any(outcome.accepted for outcome in result.outcomes["ECDSA P-256"])


@pytest.mark.parametrize("engine", ENGINES)
def test_the_older_tls_version_is_no_way_in(cases: Cases, engine: str) -> None:
    need(engine)
    result = trial(engine, "off", cases, versions=(12,))
    assert result.findings == []
