"""The stand-in's own Go tests: MinIO's rules that need no key server."""

from __future__ import annotations

import pytest

from tests.sdk import programs


@pytest.mark.sdk
def test_rules_of_the_standin(go: str) -> None:
    programs.go(go, "test", "-count=1", "./...", folder=programs.ROOT / "tests/standin")
