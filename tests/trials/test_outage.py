"""The short form of the trial of a key store that is away. Nothing here depends on how fast the machine is."""

from __future__ import annotations

import warnings

import pytest

from tests.keystore.etcd_server import needs_etcd
from tests.sdk.conftest import need
from tests.trials.outage import KINDS, START, Kind, outage

pytestmark = needs_etcd


CASES = list(zip(KINDS, ("engine", "python"), strict=True))


@pytest.mark.parametrize(("kind", "engine"), CASES, ids=[kind.name for kind in KINDS])
def test_keys_in_memory_are_served_and_all_is_as_before(kind: Kind, engine: str) -> None:
    need(engine)
    figures = outage(kind, 8.0, engine, back_within=START)
    assert figures.findings == []
    assert figures.calls > 100
    if "left out" in figures.minio:
        warnings.warn(f"MinIO was {figures.minio}", stacklevel=1)
