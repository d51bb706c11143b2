"""A real etcd on loopback: one member, or a cluster whose members can be killed, paused and started again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import urllib3

from openkes.keystore.etcd import EtcdStore
from openkes.keystore.etcd.login import Login
from openkes.keystore.http import ClientTLS
from tests.keystore.pages import block
from tests.servers import free_port

ETCD = shutil.which("etcd")
ETCDCTL = shutil.which("etcdctl")
PREFIX = "/openkes/keys/"  # of the page
START_SECONDS = 60.0  # a cluster on a loaded machine; a good start takes one second
needs_etcd = pytest.mark.skipif(ETCD is None, reason="no etcd here: apt-get install etcd-server")
needs_etcdctl = pytest.mark.skipif(ETCD is None or ETCDCTL is None, reason="apt-get install etcd-server etcd-client")


@dataclass(slots=True)
class Member:
    """`url` is for clients, `peer` for members; `arguments` hold for every start."""

    name: str
    folder: Path
    url: str
    peer: str
    arguments: list[str]
    tls: ClientTLS | None = None
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return (self.folder / f"{self.name}.log").read_text(errors="replace")

    def start(self) -> None:
        assert ETCD is not None
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    ETCD,
                    *("--name", self.name, "--data-dir", str(self.folder / self.name)),
                    *("--listen-client-urls", self.url, "--advertise-client-urls", self.url),
                    *("--listen-peer-urls", self.peer, "--initial-advertise-peer-urls", self.peer),
                    *self.arguments,
                ],
                env={},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def is_healthy(self) -> bool:
        """It has just read by consensus."""
        assert self.process is not None
        assert self.process.poll() is None, self.log
        return self._ask("GET", "/health").get("health") == "true"

    def is_leader(self) -> bool:
        document = self._ask("POST", "/v3/maintenance/status")
        return "leader" in document and document["leader"] == document["header"]["member_id"]

    def _ask(self, method: str, path: str) -> dict[str, Any]:
        context = self.tls.context() if self.tls else None
        with urllib3.PoolManager(retries=False, timeout=5.0, ssl_context=context) as pool:
            try:
                answer = pool.request(method, self.url + path, body=b"{}" if method == "POST" else None)
                document: dict[str, Any] = answer.json()
            except (urllib3.exceptions.HTTPError, ValueError):
                return {}
            return document


@dataclass(slots=True)
class Cluster:
    members: list[Member]

    @property
    def urls(self) -> tuple[str, ...]:
        return tuple(member.url for member in self.members)

    def leader(self) -> Member:
        found: list[Member] = []

        def looked_for() -> bool:
            found.extend(member for member in self.members if member.is_leader())
            return bool(found)

        wait_for(looked_for, "no leader")
        return found[0]

    def wait_healthy(self) -> None:
        for member in self.members:
            wait_for(member.is_healthy, f"{member.name} is not healthy\n{member.log}")


class Guarded:
    """An etcd that was given users as its page says; `folder` has their passwords."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster = cluster
        self.folder = folder
        self.shell(block("etcd", "sh", "etcdctl auth enable"), administrator=False)

    def shell(self, script: str, administrator: bool = True) -> None:
        """With `etcdctl` talking to this etcd."""
        environment = {"PATH": os.environ["PATH"], "ETCDCTL_API": "3", "ETCDCTL_ENDPOINTS": self.cluster.urls[0]}
        if tls := self.cluster.members[0].tls:
            environment |= {"ETCDCTL_CACERT": str(tls.ca), "ETCDCTL_CERT": str(tls.cert), "ETCDCTL_KEY": str(tls.key)}
        if administrator:
            environment["ETCDCTL_USER"] = f"root:{self.password('etcd-root.password')}"
        done = subprocess.run(
            ["bash", "-e", "-c", script],
            check=False,
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def password(self, name: str = "etcd.password") -> str:
        return (self.folder / name).read_text().strip()

    def store(self, prefix: str = PREFIX, tls: ClientTLS | None = None) -> EtcdStore:
        return EtcdStore(self.cluster.urls, prefix, tls, Login("kes", self.password))


def wait_for(condition: Callable[[], bool], text: str, seconds: float = START_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    never = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, text
        never.wait(0.05)


@contextmanager
def running(
    folder: Path, members: int = 1, arguments: Sequence[str] = (), tls: ClientTLS | None = None
) -> Iterator[Cluster]:
    """`tls`: what a client shows and trusts; the members' own files stand in `arguments`."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"member-{i}" for i in range(1, members + 1)]
    peers = {name: f"http://127.0.0.1:{free_port()}" for name in names}
    together = ["--initial-cluster", ",".join(f"{name}={peer}" for name, peer in peers.items())]
    cluster = Cluster([])
    for name, peer in peers.items():
        url = f"http{'s' if tls else ''}://127.0.0.1:{free_port()}"
        cluster.members.append(Member(name, folder, url, peer, [*together, *arguments], tls))
    try:
        for member in cluster.members:
            member.start()
        cluster.wait_healthy()
        yield cluster
    finally:
        for member in cluster.members:
            member.kill()
