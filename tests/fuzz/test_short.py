"""The short form of every fuzz target: its seeds, then some thousand inputs, the same ones each time."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import ALL

RUNS = {"config": 100}  # reading YAML takes a millisecond and more
MOST = 2000


@pytest.mark.parametrize("name", ALL)
def test_seeds(name: str) -> None:
    for data in ALL[name].seeds:
        ALL[name].check(data)


@pytest.mark.parametrize("name", ALL)
def test_nothing_escapes(name: str) -> None:
    target = ALL[name]

    @settings(
        max_examples=RUNS.get(name, MOST),
        database=None,
        derandomize=True,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def run(data: st.DataObject) -> None:
        target.check(data.draw(target.inputs()))

    run()
