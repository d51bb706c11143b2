"""The collection that operators install: complete without this repository, and free of what is none of theirs."""

from __future__ import annotations

import subprocess
import tarfile
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.roles.collection import galaxy
from tests.roles.scenario import ROOT

pytestmark = pytest.mark.timeout(600)


def test_versions_are_one() -> None:
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert galaxy["version"] == project["project"]["version"]


def test_carries_the_server_as_a_wheel(archive: Path) -> None:
    wheels = [name for name in _names(archive) if name.startswith("roles/kes_server/files/wheels/")]
    assert [name for name in wheels if "/openkes-" in name and name.endswith("-none-any.whl")]


@pytest.mark.parametrize(
    "file",
    ["monitoring/alerts.yml", "monitoring/grafana-dashboard.json", "playbooks/site.yml", "docs/cli.md", "LICENSE"],
)
def test_carries(archive: Path, file: str) -> None:
    assert file in _names(archive)


@pytest.mark.parametrize("folder", ["src", "tests", "molecule", "tools", ".venv", ".git", "docs/adr"])
def test_leaves_out(archive: Path, folder: str) -> None:
    assert [name for name in _names(archive) if name == folder or name.startswith(f"{folder}/")] == []


def test_site_runs_from_an_empty_folder(installed_collection: Path, tmp_path: Path) -> None:
    playbook = str(Path(galaxy()).with_name("ansible-playbook"))
    inventory = tmp_path / "inventory.yml"
    inventory.write_text("kes: {hosts: {kes-1: {}}}\nminio: {hosts: {minio-1: {}}}\n")
    done = subprocess.run(
        [playbook, "-i", str(inventory), "--syntax-check", "openkes.kes.site"],
        capture_output=True, text=True, check=False, cwd=tmp_path,
        env={"ANSIBLE_COLLECTIONS_PATH": str(installed_collection), "PATH": "/usr/bin:/bin",
             "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert str(ROOT) not in done.stdout


def _names(archive: Path) -> list[str]:
    with tarfile.open(archive) as tar:
        return tar.getnames()
