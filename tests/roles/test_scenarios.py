"""Every role on real hosts, alone; see molecule/ for what each scenario does and checks.

They run ahead of their tests (`ahead.py`). Molecule itself proves convergence, idempotence and the checks on the hosts;
here is what only the whole log shows.
"""

from __future__ import annotations

import pytest

from tests.hosts.support import why_not
from tests.roles.ahead import Ahead
from tests.roles.scenario import Outcome

pytestmark = [
    pytest.mark.hosts,
    pytest.mark.skipif(why_not() is not None, reason=str(why_not())),
    pytest.mark.timeout(3600),  # of all of them, and of a last one alone
]
ROLES = ["kes_pki", "kes_server", "kes_identity", "kes_key", "kes_minio"]


@pytest.mark.parametrize("role", [pytest.param(role, marks=pytest.mark.scenario(role)) for role in ROLES])
def test_role(ahead: Ahead, role: str) -> None:
    _holds(ahead.outcome(role))


@pytest.mark.scenario("fleet")
def test_fleet_from_the_built_collection(ahead: Ahead) -> None:
    _holds(ahead.outcome("fleet"))


@pytest.mark.scenario("group")
def test_three_key_servers_on_one_key_store(ahead: Ahead) -> None:
    outcome = ahead.outcome("group")
    _holds(outcome)
    for line in outcome.log.splitlines():
        if line.startswith("FIGURES"):
            print(line)


def _holds(outcome: Outcome) -> None:
    first = outcome.changed("check", 0)
    assert sum(first.values()) > 0, "a check run on a fresh host announces nothing"
    again = outcome.changed("check", 1)
    assert again
    assert set(again.values()) == {0}, f"a check run after the real one announces changes: {again}"
    assert outcome.leaks() == []
