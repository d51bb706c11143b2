"""A failing endpoint before a good one: the SDK may give up, but never gets a key without its context."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.sdk import programs
from tests.sdk.conftest import Target
from tests.sdk.test_calls import wires

pytestmark = pytest.mark.sdk

BODY_TAKEN = ("500", "502", "503", "reset")  # ways to fail after which the SDK has no body left to send


@wires
def test_failover_never_gives_a_wrong_key(
    targets: Callable[[str], Target], built: Path, engine: str, http: int, protocol: str
) -> None:
    report = programs.run(built / "failover", *targets(engine).admin, "-http", str(http), environment={})
    for what, figures in sorted(report.facts.items()):
        print(f"{engine} {protocol} {what}: {figures}")
    assert report.failures == []
    assert report.checks > 250
    # That the trap was sprung at all: requests without a byte did reach the good server.
    empty = sum(f["EmptyBodiesToGood"] for what, f in report.facts.items() if what.split()[0] in BODY_TAKEN)
    assert empty > 0, "the SDK rewinds bodies now: this test no longer tries what it is for"
