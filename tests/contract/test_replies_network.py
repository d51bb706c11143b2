"""Every recorded reply again, from a real server over TLS, with either engine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from openkes import front
from tests.contract import replay, replies
from tests.servers import make_identity, running


def runner(url: str, folder: Path) -> subprocess.CompletedProcess[str]:
    pairs = ["--admin", str(folder / "root"), "--minio", str(folder / "minio")]
    command = [sys.executable, "-m", "tests.contract.replay", url, *pairs]
    return subprocess.run(command, cwd=replies.ROOT, capture_output=True, text=True, timeout=120, check=False)


def test_the_runner_measures_a_fresh_server_and_refuses_any_other(tmp_path: Path) -> None:
    minio = make_identity(tmp_path, "minio")
    policy = {"minio": {"allow": list(replies.POLICY), "identities": [minio.identity]}}
    with running(tmp_path, {"policy": policy}) as server:
        first = runner(server.url, tmp_path)
        assert (first.returncode, first.stderr) == (0, "")
        count = len(replies.listed_differences())
        assert first.stdout.endswith(f"173 requests, {count} differences, 0 of them unlisted\n")
        again = runner(server.url, tmp_path)
        assert (again.returncode, "400" in again.stderr) == (2, True)
    gone = runner(server.url, tmp_path)
    assert (gone.returncode, "no answer" in gone.stderr) == (2, True)


@pytest.mark.parametrize("engine", ["engine", "python"])
def test_a_running_server_replies_as_recorded(engine: str, tmp_path: Path) -> None:
    if engine == "engine" and not front.have_engine():
        pytest.skip("openkes_engine is not installed: there is no Rust compiler here")
    minio = make_identity(tmp_path, "minio")
    config = {
        "policy": {"minio": {"allow": list(replies.POLICY), "identities": [minio.identity]}},
        "keys": [{"name": name} for name in replies.KEYS],
    }
    with running(tmp_path, config, environment={"OPENKES_ENGINE": engine}) as server:
        pairs = {
            "admin": (server.admin.key, server.admin.cert),
            "minio": (minio.key, minio.cert),
            **replay.make_strangers(tmp_path),
        }
        network = replay.Network("127.0.0.1", server.port, pairs)
        found = replies.replay(network, {"admin": server.admin.identity, "minio": minio.identity})
        network.close()
    listed = replies.listed_differences()
    assert {n: (replies.ROWS[n]["note"], text) for n, text in found.items() if n not in listed} == {}
    assert [n for n in listed if n not in found] == []
