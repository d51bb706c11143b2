"""The fleet's hosts, and the operator's command, for the tests of this scenario."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.roles import on_host, rerun

EAST = ["minio-e1", "minio-e2", "minio-e3", "minio-e4"]
WEST = ["minio-w1"]
ENVIRONMENT = "/etc/default/minio"

Site = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def kes() -> Any:
    """The key server's host."""
    return on_host.connect("kes-1")


@pytest.fixture(scope="session")
def east() -> dict[str, Any]:
    """Hosts of the four-node deployment by name."""
    return {name: on_host.connect(name) for name in EAST}


@pytest.fixture(scope="session")
def west() -> dict[str, Any]:
    """Hosts of the other deployment by name."""
    return {name: on_host.connect(name) for name in WEST}


@pytest.fixture(scope="session")
def site() -> Site:
    """Run openkes.kes.site as the operator would, with extra variables."""
    return functools.partial(rerun.play, "openkes.kes.site")


@pytest.fixture(scope="session")
def endpoint() -> str:
    """The key server as MinIO hosts know it."""
    return "https://kes-1:7373"
