"""Real key servers for tests: `kes server` as a process of its own on loopback.

    with running(folder) as server:            # fs key store, a configuration file
    with running(folder, config={...}) as s:   # merged over the default configuration, section by section
    with running_2021(folder) as server:       # no configuration file: --key --cert --root --auth=off

`folder` gets root.key, root.cert (the admin), server.key, server.cert and what the server writes.
OPENKES_ENGINE=python|engine|auto chooses what serves. When a server does not start or dies, the error holds its
standard error.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openkes.client import Client, ClientError, Endpoint, KeyFiles, Trust
from openkes.identity import identity_of_certificate, new_identity

START_SECONDS = 30.0  # shared machines are slow; a good start takes about one second
STOP_SECONDS = 30.0  # the server drains for up to 15 s
POLL_SECONDS = 0.05
PORT_ATTEMPTS = 3  # between choosing a free port and listening, another process may take it

Command = Callable[[int], list[str]]  # from a port to the arguments of `kes server`
KES = [sys.executable, "-m", "openkes.cli"]


@dataclass(frozen=True, slots=True)
class Identity:
    """A key pair on disk. `name` is the file stem."""

    key: Path
    cert: Path
    identity: str


def make_identity(folder: Path, name: str) -> Identity:
    """NAME.key and NAME.cert in `folder`, good for 127.0.0.1 and localhost too."""
    pair = new_identity(name, ips=["127.0.0.1", "::1"], dns=["localhost"])
    made = Identity(folder / f"{name}.key", folder / f"{name}.cert", pair.identity)
    made.key.touch(mode=0o600)
    made.key.write_bytes(pair.key)
    made.cert.write_bytes(pair.certificate)
    return made


@dataclass(slots=True)
class KeyServer:
    """A running server. `stderr` and `stdout` are files that grow while it runs."""

    folder: Path
    port: int
    admin: Identity
    tls: Identity
    process: subprocess.Popen[bytes]
    stopped: bool = False

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def stderr(self) -> str:
        return (self.folder / "server.stderr").read_text(errors="replace")

    @property
    def stdout(self) -> str:
        return (self.folder / "server.stdout").read_text(errors="replace")

    def client(self, identity: Identity | None = None) -> Client:
        """A client of the project's own, as the admin unless told otherwise; it trusts the server's certificate."""
        who = identity or self.admin
        return Client(Endpoint("127.0.0.1", self.port), KeyFiles(who.key, who.cert), Trust(self.tls.cert))

    def environment(self, identity: Identity | None = None) -> dict[str, str]:
        """What `kes` needs to talk to this server."""
        who = identity or self.admin
        return {
            "KES_SERVER": self.url,
            "KES_CLIENT_KEY": str(who.key),
            "KES_CLIENT_CERT": str(who.cert),
            "KES_CA_PATH": str(self.tls.cert),
        }

    def wait_ready(self) -> None:
        """Until the server answers; AssertionError with its stderr when it exits or takes too long."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                with self.client() as client:
                    client.version()
            except ClientError as error:
                why = str(error)
            else:
                return
            self.check_alive(POLL_SECONDS)
            assert time.monotonic() < deadline, f"no answer in {START_SECONDS} s: {why}\n{self.stderr}"

    def check_alive(self, seconds: float = 0.0) -> None:
        """AssertionError with its stderr when the process has exited, or does within `seconds`."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return
        raise AssertionError(f"the server exited with {code}\n{self.stderr}")

    def reload(self) -> None:
        """SIGHUP; returns at once."""
        self.process.send_signal(signal.SIGHUP)

    def stop(self) -> int:
        """SIGTERM and the exit code; kills what does not stop, and says so."""
        self.stopped = True
        self.process.terminate()
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the server did not stop on SIGTERM\n{self.stderr}") from None

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        self.stopped = True
        self.process.kill()
        self.process.wait()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(
    folder: Path,
    config: dict[str, Any] | None = None,
    arguments: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Iterator[KeyServer]:
    """A server with a configuration file. Sections of `config` replace the default ones; None removes one.

    Identities that exist in `folder` are kept, so that a second `running` on it is a restart.
    """
    admin, tls = _identities(folder)
    sections: dict[str, Any] = {
        "version": "v1",
        "admin": {"identity": admin.identity},
        "tls": {"key": str(tls.key), "cert": str(tls.cert)},
        "keystore": {"fs": {"path": str(folder / "keys")}},
        **(config or {}),
    }
    file = folder / "config.yml"

    def command(port: int) -> list[str]:
        chosen = {"address": f"127.0.0.1:{port}", **sections}
        # JSON is YAML
        file.write_text(json.dumps({k: v for k, v in chosen.items() if v is not None}, indent=2) + "\n")
        return ["--config", str(file), *arguments]

    with _started(folder, admin, tls, command, environment) as server:
        yield server


@contextmanager
def running_2021(
    folder: Path, arguments: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> Iterator[KeyServer]:
    """A server as on MinIO's page: no configuration file, keys in memory."""
    admin, tls = _identities(folder)

    def command(port: int) -> list[str]:
        return [
            f"--addr=127.0.0.1:{port}",
            "--key=server.key",
            "--cert=server.cert",
            f"--root={admin.identity}",
            "--auth=off",
            *arguments,
        ]

    with _started(folder, admin, tls, command, environment) as server:
        yield server


def _identities(folder: Path) -> tuple[Identity, Identity]:
    def one(name: str) -> Identity:
        key, cert = folder / f"{name}.key", folder / f"{name}.cert"
        if key.exists() and cert.exists():
            return Identity(key, cert, identity_of_certificate(cert.read_bytes()))
        return make_identity(folder, name)

    return one("root"), one("server")


@contextmanager
def _started(
    folder: Path, admin: Identity, tls: Identity, command: Command, environment: Mapping[str, str] | None
) -> Iterator[KeyServer]:
    server = _start(folder, admin, tls, command, environment)
    try:
        yield server
        if not server.stopped:
            server.check_alive()
    finally:
        if server.process.poll() is None:
            server.stop()


def _start(
    folder: Path, admin: Identity, tls: Identity, command: Command, environment: Mapping[str, str] | None
) -> KeyServer:
    for attempt in range(PORT_ATTEMPTS):
        port = free_port()
        with (folder / "server.stderr").open("wb") as err, (folder / "server.stdout").open("wb") as out:
            process = subprocess.Popen(
                [*KES, "server", *command(port)],
                cwd=folder,
                env={**clean_environment(), **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        server = KeyServer(folder, port, admin, tls, process)
        try:
            server.wait_ready()
        except BaseException:
            died = process.poll() is not None
            if not died:
                process.kill()
                process.wait()
            if died and "in use" in server.stderr and attempt + 1 < PORT_ATTEMPTS:
                continue
            raise
        return server
    raise AssertionError("unreachable")


def clean_environment() -> dict[str, str]:
    """The caller's, without what would change how `kes` behaves."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("KES_", "MINIO_", "OPENKES_"))}
    if engine := os.environ.get("OPENKES_ENGINE"):
        kept["OPENKES_ENGINE"] = engine
    return kept
