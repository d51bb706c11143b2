"""A MinIO deployment of stand-ins on loopback: processes, their environment, their health.

Owns starting, asking and stopping them. Must not know the key server beyond the variables it is given.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import urllib3

from tests.sdk import programs
from tests.servers import free_port

SECONDS = 60.0  # for anything that is waited for; shared machines are slow
http = urllib3.PoolManager(retries=False, timeout=20)


def build(folder: Path) -> Path:
    """The stand-in, built; as `minio`, since that is what a unit file starts."""
    program = folder / "minio"
    done = subprocess.run(
        [programs.ROOT / "tests/standin/build.sh", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return program


@dataclass(slots=True)
class Node:
    """One stand-in. It can be stopped and started again with another environment."""

    program: Path
    folder: Path
    port: int
    volumes: str
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return (self.folder / f"{self.port}.log").read_text(errors="replace")

    def start(self, environment: Mapping[str, str]) -> None:
        """Start with these variables and nothing but PATH beside them."""
        with (self.folder / f"{self.port}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.program, "server", "--address", f"127.0.0.1:{self.port}", *self.volumes.split()],
                env={"PATH": os.environ["PATH"], **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(SECONDS)

    def exit_code(self) -> int:
        """Of a node that ends by itself."""
        assert self.process is not None
        return self.process.wait(SECONDS)

    def ask(self, path: str, method: str = "GET", body: bytes | None = None) -> tuple[int, bytes]:
        """Status and body; status 0 when nobody listens."""
        try:
            answer = http.request(method, f"http://127.0.0.1:{self.port}{path}", body=body)
        except urllib3.exceptions.HTTPError:
            return 0, b""
        return answer.status, answer.data

    def wait_for(self, path: str, status: int) -> None:
        """Until GET of `path` gives this status."""
        wait(lambda: self.ask(path)[0] == status, lambda: f"{path} is not {status} but {self.ask(path)}\n{self.log}")


def wait(condition: Callable[[], bool], otherwise: Callable[[], str]) -> None:
    """Until the condition holds, bounded."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.05)


@contextmanager
def nodes(program: Path, folder: Path, count: int) -> Iterator[list[Node]]:
    """`count` nodes of one deployment, not started; all are stopped at the end."""
    ports = [free_port() for _ in range(count)]
    volumes = " ".join(f"http://127.0.0.1:{port}{folder}/data-{port}" for port in ports)
    made = [Node(program, folder, port, volumes) for port in ports]
    try:
        yield made
    finally:
        for node in made:
            node.stop()
