"""Times as Go writes and reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openkes.crypto import timestamp


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (None, "0001-01-01T00:00:00Z"),
        (0, "1970-01-01T00:00:00Z"),
        (1_795_437_140_240_831_117, "2026-11-23T12:32:20.240831117Z"),
        (1_500_000_000, "1970-01-01T00:00:01.5Z"),
    ],
)
def test_both_ways(ns: int | None, text: str) -> None:
    assert timestamp.to_text(ns) == text
    assert timestamp.from_text(text) == ns


def test_offsets() -> None:
    assert timestamp.from_text("1970-01-01T01:30:00+01:30") == 0
    assert timestamp.from_text("1969-12-31T23:00:00-01:00") == 0


@pytest.mark.parametrize(
    "text", ["", "now", "1970-01-01", "1970-13-01T00:00:00Z", "1970-01-01T25:00:00Z", "1970-01-01T00:00:00"]
)
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="RFC 3339"):
        timestamp.from_text(text)


@given(st.integers(0, 4_000_000_000_000_000_000))
def test_every_time_comes_back(ns: int) -> None:
    assert timestamp.from_text(timestamp.to_text(ns)) == ns
