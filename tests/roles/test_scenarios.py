"""Every role on real hosts, alone; see molecule/ for what each scenario does and checks.

Molecule itself proves convergence, idempotence and the checks on the hosts; here is what only the whole log shows.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hosts.support import why_not
from tests.roles import scenario

pytestmark = [
    pytest.mark.hosts,
    pytest.mark.skipif(why_not() is not None, reason=str(why_not())),
]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("role", ["kes_pki", "kes_server", "kes_identity", "kes_key", "kes_minio"])
def test_role(role: str) -> None:
    _holds(scenario.run(role))


@pytest.mark.timeout(2700)
def test_fleet_from_the_built_collection(installed_collection: Path) -> None:
    _holds(scenario.run("fleet", ANSIBLE_COLLECTIONS_PATH=str(installed_collection)))


@pytest.mark.timeout(2700)
def test_three_key_servers_on_one_key_store() -> None:
    outcome = scenario.run("group")
    _holds(outcome)
    for line in outcome.log.splitlines():
        if line.startswith("FIGURES"):
            print(line)


def _holds(outcome: scenario.Outcome) -> None:
    first = outcome.changed("check", 0)
    assert sum(first.values()) > 0, "a check run on a fresh host announces nothing"
    again = outcome.changed("check", 1)
    assert again
    assert set(again.values()) == {0}, f"a check run after the real one announces changes: {again}"
    assert outcome.leaks() == []
