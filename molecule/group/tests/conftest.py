"""The group's hosts, the load on MinIO, and the operator's command, for the tests of this scenario."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from load import Load

from tests.roles import on_host, rerun

KES = ["kes-1", "kes-2", "kes-3"]
MINIO = ["minio-1", "minio-2", "minio-3", "minio-4"]

Site = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def kes() -> dict[str, Any]:
    """Hosts of the key servers by name."""
    return {name: on_host.connect(name) for name in KES}


@pytest.fixture(scope="session")
def minio() -> dict[str, Any]:
    """Hosts of the deployment by name."""
    return {name: on_host.connect(name) for name in MINIO}


@pytest.fixture(scope="session")
def bao() -> Any:
    """The key store's host."""
    return on_host.connect("bao-1")


@pytest.fixture(scope="session")
def site() -> Site:
    """Run openkes.kes.site as the operator would, with extra variables."""
    return functools.partial(rerun.play, "openkes.kes.site")


@pytest.fixture
def load(minio: dict[str, Any]) -> Iterator[Load]:
    """Clients that write and read at every node from now on; what they saw is printed at the end."""
    urls = [f"http://{host.check_output('hostname -I').split()[0]}:9000" for host in minio.values()]
    clients = Load(urls)
    with clients:
        clients.until_more(20)
        yield clients
    print(f"\nFIGURES {clients.text()}")
