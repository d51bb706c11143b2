"""Which names keys may have."""

from __future__ import annotations

import pytest

from openkes import names
from openkes.errors import APIError


@pytest.mark.parametrize("name", ["a", "0", "__", "_a", "a_", "a-b", "x" * 80, "my-master-key", "A-B_c"])
def test_valid(name: str) -> None:
    assert names.check(name) == name


@pytest.mark.parametrize("name", ["", "_", "-", "-a", "a-", "a.b", "a/b", "..", "a b", "ä", "x" * 81, "a\n", "*", "٣"])
def test_invalid(name: str) -> None:
    with pytest.raises(APIError, match="is empty, too long or contains invalid characters"):
        names.check(name)
