"""A server keeps its memory to itself."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

from tests.servers import make_identity, running

PROBE = """
import ctypes, json, resource
from pathlib import Path
from openkes.cli.harden import harden
done = harden()
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(json.dumps({
    "private": done.private, "locked": done.locked, "dumpable": ctypes.CDLL(None).prctl(3, 0, 0, 0, 0),
    "core": resource.getrlimit(resource.RLIMIT_CORE), "memory": int(status["VmLck"].split()[0]),
    "more": len(bytes(64 << 20)),
}))
"""


def _probe(limit: int | None = None) -> dict[str, object]:
    def lower() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_MEMLOCK, (limit, limit))

    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True, preexec_fn=lower)
    return dict(json.loads(done.stdout))


def test_no_core_file_and_no_debugger() -> None:
    found = _probe()
    assert (found["private"], found["dumpable"], found["core"]) == (True, 0, [0, 0])


def test_memory_is_locked_where_that_is_allowed() -> None:
    found = _probe()
    assert (int(str(found["memory"])) > 0) is found["locked"]


def test_a_small_limit_on_locked_memory_does_not_end_the_process() -> None:
    found = _probe(8 << 20)
    assert found["more"] == 64 << 20


def test_a_server_writes_no_core_file(tmp_path: Path, engine: dict[str, str]) -> None:
    with running(tmp_path, environment=engine) as server:
        limits = Path(f"/proc/{server.process.pid}/limits").read_text()
        core = next(line for line in limits.splitlines() if line.startswith("Max core"))
        assert core.split()[4:6] == ["0", "0"]


def test_a_private_key_that_everybody_can_read_is_said(tmp_path: Path, engine: dict[str, str]) -> None:
    key = make_identity(tmp_path, "server").key
    key.chmod(0o644)
    with running(tmp_path, environment=engine) as server:
        assert f"{key} (tls.key) can be read by every user of this machine: chmod o= {key}" in server.stderr


def test_a_private_key_of_the_servers_own_is_not_worth_a_word(tmp_path: Path, engine: dict[str, str]) -> None:
    with running(tmp_path, environment=engine) as server:
        assert "can be read by every user" not in server.stderr
