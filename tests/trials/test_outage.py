"""The short form of the trial of a key store that is away. Nothing here depends on how fast the machine is."""

from __future__ import annotations

import warnings

import pytest

from tests.sdk.conftest import need
from tests.trials.outage import START, outage
from tests.trials.outage_stores import missing

CASES = [
    ("etcd", "killed", "python"),
    ("etcd", "hanging", "engine"),
    ("postgres", "hanging", "engine"),
    ("openbao", "sealed", "engine"),
]


@pytest.mark.parametrize(("store", "way", "engine"), CASES, ids=[" ".join(case) for case in CASES])
def test_keys_in_memory_are_served_and_all_is_as_before(store: str, way: str, engine: str) -> None:
    need(engine)
    if why := missing(store):
        pytest.skip(why)
    figures = outage(store, way, 8.0, engine, back_within=START)
    assert figures.findings == []
    assert figures.calls > 100
    if "left out" in figures.minio:
        warnings.warn(f"MinIO was {figures.minio}", stacklevel=1)
