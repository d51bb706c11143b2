"""The short forms of the trials that concern data; the long ones are run by hand, see docs/reliability.md."""

from __future__ import annotations

import warnings

import pytest

from openkes import front
from tests.trials import crossed, disk, kill, races, restore, soak, torn


def test_kill() -> None:
    figures = kill.trial(kills=6, seconds=60.0, seed=1, generation=3)
    assert figures.findings == []
    assert figures.kills == 6


def test_torn_and_flipped_entries() -> None:
    figures = torn.trial(step=211)
    assert figures.findings == []
    assert figures.faults.total() > 50


def test_full_and_failing_disks() -> None:
    figures = disk.trial(operations=["create", "rotate", "decrypt"], deepest=0)
    assert figures.findings == []
    for reason in figures.skipped:
        warnings.warn(f"a part of the trial was left out: {reason}", stacklevel=1)
    if not figures.calls:
        pytest.skip("; ".join(figures.skipped))


def test_crossed_ciphertexts() -> None:
    figures = crossed.trial(300)
    assert figures.findings == []
    assert figures.done["recorded ciphertexts"] == 76


def test_races() -> None:
    _, findings = races.trial(requests=40, processes=3, names=50, counts=15)
    assert findings == []


@pytest.mark.parametrize("engine", ["engine", "python"])
def test_soak(engine: str) -> None:
    if engine == "engine" and not front.have_engine():
        pytest.skip("openkes_engine is not installed: there is no Rust compiler here")
    (figures,) = soak.trial(4.0, [engine])
    assert figures.findings == []


def test_restore() -> None:
    figures = restore.trial(20)
    assert figures.findings == []
    assert figures.done["entries read as upstream reads them"] == 20
