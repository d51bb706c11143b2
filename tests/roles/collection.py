"""The collection as an operator gets it: built, and installed where nothing of this checkout is in reach."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.roles.scenario import ROOT


def galaxy() -> str:
    """Path of ansible-galaxy."""
    own = Path(os.environ.get("OPENKES_VENV", ROOT / ".venv")) / "bin/ansible-galaxy"
    found = str(own) if own.exists() else shutil.which("ansible-galaxy")
    assert found is not None, "ansible-galaxy is missing: tools/setup.sh test"
    return found


def build(output: Path, environment: Mapping[str, str] | None = None) -> Path:
    """The archive, in a folder."""
    built = subprocess.run(
        [ROOT / "tools/collection.sh", "--native", "--output", output],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    return Path(built.stdout.splitlines()[-1])


def install(archive: Path, path: Path, environment: Mapping[str, str] | None = None) -> None:
    """Make `path` a collections path that holds the built collection and nothing else."""
    path.mkdir(exist_ok=True)
    done = subprocess.run(
        [galaxy(), "collection", "install", "--offline", "--no-deps", "-p", path, archive],
        capture_output=True, text=True, check=False, cwd=path, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
