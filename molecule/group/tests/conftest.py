"""The group's hosts, the load on MinIO, and the operator's command, for the tests of this scenario."""

from __future__ import annotations

import functools
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from load import Load

from openkes.client import Client, Endpoint, KeyFiles, Trust
from tests.roles import on_host, rerun

KES = ["kes-1", "kes-2", "kes-3"]
MINIO = ["minio-1", "minio-2", "minio-3", "minio-4"]


def address(host: Any) -> str:
    """Of the host, on the scenario's network."""
    return str(host.check_output("hostname -I").split()[0])


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
def admin(kes: dict[str, Any]) -> Iterator[dict[str, Client]]:
    """A client of each key server with the operator's own identity."""
    folder = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "pki"
    files, trust = KeyFiles(folder / "admin.key", folder / "admin.crt"), Trust(folder / "trust.crt")
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(Client(Endpoint(address(host), 7373), files, trust)) for name, host in kes.items()
        }


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
    urls = [f"http://{address(host)}:9000" for host in minio.values()]
    clients = Load(urls)
    with clients:
        clients.until_more(20)
        yield clients
    print(f"\nFIGURES {clients.text()}")
