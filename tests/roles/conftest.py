"""The collection as an operator gets it: built, and installed where nothing of this checkout is in reach."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.roles.scenario import ROOT


@pytest.fixture(scope="session")
def galaxy() -> str:
    """Path of ansible-galaxy."""
    own = Path(os.environ.get("OPENKES_VENV", ROOT / ".venv")) / "bin/ansible-galaxy"
    found = str(own) if own.exists() else shutil.which("ansible-galaxy")
    assert found is not None, "ansible-galaxy is missing: tools/setup.sh test"
    return found


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built collection."""
    output = tmp_path_factory.mktemp("dist")
    built = subprocess.run(
        [ROOT / "tools/collection.sh", "--native", "--output", output], capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    return Path(built.stdout.splitlines()[-1])


@pytest.fixture(scope="session")
def installed_collection(archive: Path, galaxy: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collections path that holds the built collection and nothing else."""
    path = tmp_path_factory.mktemp("collections")
    done = subprocess.run(
        [galaxy, "collection", "install", "--offline", "--no-deps", "-p", path, archive],
        capture_output=True, text=True, check=False, cwd=path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return path
