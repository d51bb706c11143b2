"""Releases: what a wheelhouse holds, and switching between installed ones."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from tests.plugins.conftest import RunModule

from ansible_collections.openkes.kes.plugins.modules import release  # isort: skip
from ansible_collections.openkes.kes.plugins.plugin_utils import wheelhouse  # isort: skip

SERVER = "openkes-1.2.0-py3-none-any.whl"
ENGINE = "openkes_engine-1.2.0-cp311-abi3-manylinux_2_17_x86_64.whl"
FLASK = "flask-3.1.0-py3-none-any.whl"


def house(folder: Path, *names: str) -> str:
    for name in names:
        (folder / name).write_bytes(name.encode())
    return str(folder)


def test_a_release_is_named_after_its_version_and_contents(tmp_path: Path) -> None:
    found = wheelhouse.look(house(tmp_path, SERVER, ENGINE, FLASK), "required")
    assert (found.version, found.engine, found.complete) == ("1.2.0", True, True)
    assert found.release.startswith("1.2.0-")
    (tmp_path / SERVER).write_bytes(b"another build")
    assert wheelhouse.look(str(tmp_path), "required").release != found.release


def test_without_dependencies_an_index_is_needed(tmp_path: Path) -> None:
    assert wheelhouse.look(house(tmp_path, SERVER, ENGINE), "required").complete is False


@pytest.mark.parametrize(
    ("names", "engine", "says"),
    [
        ([], "required", "There is no wheel of openkes"),
        ([SERVER], "required", "kes_server_engine: python"),
        ([SERVER, SERVER.replace("1.2.0", "1.1.0")], "python", "more than one openkes"),
    ],
)
def test_what_cannot_be_installed_is_said_before_any_host_is_touched(
    tmp_path: Path, names: list[str], engine: str, says: str
) -> None:
    with pytest.raises(wheelhouse.WheelhouseError, match=says):
        wheelhouse.look(house(tmp_path, *names), engine)


@pytest.mark.parametrize("engine", ["preferred", "python"])
def test_the_twin_is_installed_when_told(tmp_path: Path, engine: str) -> None:
    assert wheelhouse.look(house(tmp_path, SERVER), engine).engine is False


def test_the_archive_holds_the_wheels(tmp_path: Path) -> None:
    found = wheelhouse.look(house(tmp_path, SERVER, FLASK), "python")
    found.pack(tmp_path / "wheels.tar")
    with tarfile.open(tmp_path / "wheels.tar") as archive:
        assert sorted(archive.getnames()) == [FLASK, SERVER]


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder with three complete releases; the second is in use."""
    for number, name in enumerate(("1.0-a", "1.1-b", "1.2-c")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "pyvenv.cfg").touch()
        (folder / release.COMPLETE).touch()
        os.utime(folder, (1000 + number, 1000 + number))
    release.switch(str(tmp_path), "1.1-b")
    return tmp_path


def test_going_back_is_switching_the_link(run_module: RunModule, installed: Path) -> None:
    asked = {"base": str(installed), "release": "1.0-a", "version": "1.0"}
    assert run_module("release", **asked)["diff"] == {"before": "1.1-b\n", "after": "1.0-a\n"}
    assert release.current(str(installed)) == "1.1-b"
    assert run_module("release", step="apply", **asked)["changed"] is True
    assert release.current(str(installed)) == "1.0-a"
    assert run_module("release", step="apply", **asked)["changed"] is False


def test_an_interrupted_installation_is_no_release(run_module: RunModule, installed: Path) -> None:
    (installed / "1.1-b" / release.COMPLETE).unlink()
    answer = run_module("release", base=str(installed), release="1.1-b", version="1.1")
    assert (answer["changed"], answer["installed"]) == (True, False)


def test_whether_a_release_has_the_engine_is_seen_once_it_is_installed(run_module: RunModule, installed: Path) -> None:
    asked = {"base": str(installed), "release": "1.0-a", "version": "1.0", "engine": "preferred"}
    assert run_module("release", **asked)["has_engine"] is False
    (installed / "1.0-a/lib/python3.11/site-packages/openkes_engine").mkdir(parents=True)
    assert run_module("release", **asked)["has_engine"] is True


@pytest.mark.parametrize(
    ("engine", "wheel", "has"), [("required", True, True), ("preferred", False, False), ("python", True, False)]
)
def test_before_it_is_installed_it_is_what_will_be(
    run_module: RunModule, installed: Path, engine: str, wheel: bool, has: bool
) -> None:
    answer = run_module("release", base=str(installed), release="2", version="2", engine=engine, with_engine=wheel)
    assert answer["has_engine"] is has


def test_old_releases_go_and_the_current_one_stays(installed: Path) -> None:
    release.clean(str(installed), 2)
    assert sorted(path.name for path in installed.iterdir() if not path.is_symlink()) == ["1.1-b", "1.2-c"]


def test_a_failed_installation_leaves_the_current_release(run_module: RunModule, installed: Path) -> None:
    answer = run_module(
        "release",
        step="apply",
        base=str(installed),
        release="1.3-d",
        version="1.3",
        python="/bin/false",
        engine="python",
    )
    assert answer["failed"] is True
    assert "the one in use stays" in answer["msg"]
    assert release.current(str(installed)) == "1.1-b"
