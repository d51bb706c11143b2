"""The fleet's hosts, and the operator's command, for the tests of this scenario."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.roles import on_host

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
    """Run openkes.kes.site as the operator would; `variables` are extra ones, `--diff` is always on."""
    scratch = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
    scenario = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        extra = [word for name, value in variables.items() for word in ("-e", f"{name}={value}")]
        command = ["ansible-playbook", "-i", scratch / "inventory", "-i", scenario / "inventory.yml", "--diff"]
        done = subprocess.run(
            [*command, *arguments, *extra, "openkes.kes.site"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, cwd=scratch,
        )  # fmt: skip
        # Into the scenario's log, where the search for secrets and whoever looks into a failure finds it.
        print(done.stdout, done.stderr)
        return done

    return run
