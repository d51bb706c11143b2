"""Each test of a running server runs with either engine."""

from __future__ import annotations

import pytest

from openkes import front


@pytest.fixture(params=["engine", "python"])
def engine(request: pytest.FixtureRequest) -> dict[str, str]:
    """The environment that chooses the engine."""
    if request.param == "engine" and not front.have_engine():
        pytest.skip("openkes_engine is not installed: there is no Rust compiler here")
    return {"OPENKES_ENGINE": request.param}
