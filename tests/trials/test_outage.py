"""The short form of the trial of a key store that is away. Nothing here depends on how fast the machine is."""

from __future__ import annotations

import warnings

import pytest

from tests.keystore.etcd_server import needs_etcd
from tests.sdk.conftest import need
from tests.trials.outage import KINDS, START, outage

pytestmark = needs_etcd


@pytest.mark.parametrize(("kind", "engine"), zip(KINDS, ("engine", "python"), strict=True), ids=["killed", "hanging"])
def test_keys_in_memory_are_served_and_all_is_as_before(kind: object, engine: str) -> None:
    need(engine)
    figures = outage(kind, 8.0, engine, back_within=START)  # type: ignore[arg-type]
    assert figures.findings == []
    assert figures.calls > 100
    if "left out" in figures.minio:
        warnings.warn(f"MinIO was {figures.minio}", stacklevel=1)
