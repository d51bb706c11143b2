"""openkes.kes.site on this machine as the demo runs it: without root, without systemd, a real key server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import servers
from tests.plugins.conftest import COLLECTIONS, ROOT

from ansible_collections.openkes.kes.plugins.module_utils.process import Process  # isort: skip

BIN = Path(sys.executable).parent
Play = Callable[..., subprocess.CompletedProcess[str]]

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def play(folder: Path) -> Iterator[Play]:
    """Run a playbook of the collection with the demo's inventory."""
    port = servers.free_port()
    given = f"openkes_demo_folder={folder} openkes_demo_program={BIN / 'kes'} openkes_demo_port={port}"

    def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                BIN / "ansible-playbook", "-i", ROOT / "examples/demo/inventory.yml", f"openkes.kes.{name}", "--diff",
                "-e", given, *arguments,
            ],
            env={
                **os.environ,
                "ANSIBLE_COLLECTIONS_PATH": COLLECTIONS,
                "ANSIBLE_HOME": str(folder / "ansible"),
                "ANSIBLE_LOCALHOST_WARNING": "false",
                "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_PIPELINING": "true",
            },
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, cwd=folder,
        )  # fmt: skip

    yield run
    assert Process([str(BIN / "kes")], str(folder / "server/state/kes.pid"), str(folder / "server/log/kes.log")).stop()


@pytest.fixture(scope="module")
def rolled_out(play: Play, folder: Path) -> tuple[str, str, str]:
    """What a check run, the first run and the second run said."""
    outputs = []
    for arguments in (["--check"], [], []):
        done = play("site", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        outputs.append(done.stdout)
        if arguments:
            left = {path.name for path in folder.iterdir()}
            assert left <= {"ansible"}, f"the check run left {left}"
    return outputs[0], outputs[1], outputs[2]


def changed(output: str) -> int:
    found = re.search(r"changed=(\d+)", output)
    assert found is not None
    return int(found.group(1))


def test_the_second_run_changes_nothing(rolled_out: tuple[str, str, str]) -> None:
    check, first, second = rolled_out
    assert changed(check) > 0
    assert changed(first) > 0
    assert changed(second) == 0


def test_the_recap_says_it_in_plain_words(rolled_out: tuple[str, str, str]) -> None:
    check, first, _second = rolled_out
    assert "check mode: nothing was changed" in check
    assert "environment written, no service to restart, round trip 1/1" in first
    assert re.search(r"my-master-key \(AES256, made 20\d\d-\d\d-\d\d, just created\)", first)


def test_no_run_shows_a_secret(rolled_out: tuple[str, str, str]) -> None:
    assert not any("PRIVATE KEY" in output for output in rolled_out)


def test_private_files_are_private(rolled_out: tuple[str, str, str], folder: Path) -> None:
    assert rolled_out
    keys = [path for path in folder.rglob("*") if path.is_file() and b"PRIVATE KEY" in path.read_bytes()]
    assert sorted(path.name for path in keys) == ["admin.key", "ca.key", "client.key", "server.key"]
    assert [path for path in keys if path.stat().st_mode & 0o077] == []


def test_a_contradictory_variable_stops_the_run_first(
    rolled_out: tuple[str, str, str], play: Play, folder: Path
) -> None:
    assert rolled_out
    file = folder / "minio/minio.env"
    good = file.read_text()
    file.write_text("MINIO_KMS_SECRET_KEY=old:c2VjcmV0\n")
    try:
        done = play("site")
        assert done.returncode != 0
        assert changed(done.stdout) == 0
        assert "MINIO_KMS_SECRET_KEY" in done.stdout + done.stderr
        assert "c2VjcmV0" not in done.stdout + done.stderr
        assert file.read_text() == "MINIO_KMS_SECRET_KEY=old:c2VjcmV0\n"
    finally:
        file.write_text(good)


def test_another_key_name_does_not_lock_old_data_away(
    rolled_out: tuple[str, str, str], play: Play, folder: Path
) -> None:
    assert rolled_out
    before = (folder / "server/config.yml").read_text()
    done = play("site", "-e", "kes_key_name=another-key")
    assert done.returncode != 0
    assert "MinIO could no longer use the key my-master-key" in done.stdout + done.stderr
    assert (folder / "server/config.yml").read_text() == before


def test_verify_changes_nothing(rolled_out: tuple[str, str, str], play: Play) -> None:
    assert rolled_out
    done = play("verify")
    assert done.returncode == 0, done.stdout + done.stderr
    assert changed(done.stdout) == 0


def test_a_lost_key_is_not_made_anew(rolled_out: tuple[str, str, str], play: Play, folder: Path) -> None:
    """As with an empty key server behind a MinIO that has encrypted already."""
    assert rolled_out
    file = folder / "minio/minio.env"
    file.write_text(file.read_text().replace("=my-master-key", "=lost-key"))
    keys = '{"kes_key_name": "lost-key", "kes_identity_keys": ["lost-key", "my-master-key"]}'
    done = play("site", "-e", keys)
    assert done.returncode != 0
    assert "The key server has no key lost-key, and MinIO on" in done.stdout + done.stderr
    assert not list(folder.rglob("lost-key"))
