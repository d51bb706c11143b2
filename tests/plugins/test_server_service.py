"""`server_service` with a real key server as a background process: the least that is needed, and clear words."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import servers
from tests.plugins import conftest

from ansible_collections.openkes.kes.plugins.module_utils.process import Process  # isort: skip

KES = Path(sys.executable).parent / "kes"
Service = Callable[..., dict[str, Any]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a configuration and its TLS files."""
    servers.make_identity(tmp_path, "server")
    configure(tmp_path, servers.free_port())
    return tmp_path


def configure(folder: Path, port: int, **sections: object) -> None:
    config = {
        "version": "v1",
        "address": f"127.0.0.1:{port}",
        "tls": {"key": str(folder / "server.key"), "cert": str(folder / "server.cert")},
        "keystore": {"memory": {}},
        **sections,
    }
    (folder / "port").write_text(str(port))
    (folder / "config.yml").write_text(json.dumps(config) + "\n")


@pytest.fixture
def service(run_module: conftest.RunModule, folder: Path) -> Iterator[Service]:
    """Run the module on the folder."""

    def run(**changes: Any) -> dict[str, Any]:
        arguments = {
            "supervisor": "process",
            "command": [str(KES), "server", "--config", str(folder / "config.yml")],
            "pid_file": str(folder / "kes.pid"),
            "log_file": str(folder / "kes.log"),
            "config": str(folder / "config.yml"),
            "certificate": str(folder / "server.cert"),
            "private_key": str(folder / "server.key"),
            "state_file": str(folder / "applied.json"),
            "port": int((folder / "port").read_text()),
            "timeout": 30,
            **changes,
        }
        return run_module("server_service", **arguments)

    yield run
    process = Process([str(KES)], str(folder / "kes.pid"), str(folder / "kes.log"))
    assert process.stop()


def pid(folder: Path) -> int:
    return int((folder / "kes.pid").read_text())


def wait_until_free(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return
    raise AssertionError("the killed server still listens")


def test_started_once(service: Service, folder: Path) -> None:
    assert service(check=True)["action"] == "start"
    assert not (folder / "kes.pid").exists()
    assert service()["action"] == "start"
    started = pid(folder)
    again = service()
    assert (again["changed"], again["action"]) == (False, "")
    assert pid(folder) == started


def test_policies_are_reloaded(service: Service, folder: Path) -> None:
    service()
    started = pid(folder)
    configure(folder, int((folder / "port").read_text()), policy={"p": {"allow": ["/v1/status"]}})
    assert service(check=True)["action"] == "reload"
    assert service()["action"] == "reload"
    assert service()["action"] == ""
    assert pid(folder) == started


def test_a_new_certificate_is_served_before_it_is_looked_at(service: Service, folder: Path) -> None:
    service()
    started = pid(folder)
    servers.make_identity(folder, "server")
    assert service()["action"] == "reload"
    assert pid(folder) == started


def test_what_a_reload_does_not_cover_restarts(service: Service, folder: Path) -> None:
    service(restart_on=["release 1"])
    started = pid(folder)
    assert service(restart_on=["release 2"])["action"] == "restart"
    assert service(restart_on=["release 2"])["action"] == ""
    assert pid(folder) != started


def test_a_dead_server_is_started(service: Service, folder: Path) -> None:
    service()
    os.kill(pid(folder), signal.SIGKILL)
    # The port is free when the process is gone.
    wait_until_free(int((folder / "port").read_text()))
    assert service()["action"] == "start"


def test_an_undone_reload_is_made_up_for(service: Service, folder: Path) -> None:
    service()
    good = (folder / "server.key").read_bytes(), (folder / "server.cert").read_bytes()
    other = servers.make_identity(folder, "other")
    (folder / "server.cert").write_bytes(other.cert.read_bytes())
    failed = service(timeout=2)
    assert failed["failed"] is True
    assert "still serves another certificate" in failed["msg"]
    (folder / "server.key").write_bytes(other.key.read_bytes())
    assert service()["action"] == "reload"
    assert good[1] != (folder / "server.cert").read_bytes()


def test_a_port_in_use_is_said(service: Service, folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        configure(folder, other.getsockname()[1])
        answer = service()
    assert answer["failed"] is True
    assert "is in use by another program" in answer["msg"]


def test_a_server_that_does_not_start_is_quoted(service: Service, folder: Path) -> None:
    (folder / "server.key").write_text("")
    answer = service()
    assert answer["failed"] is True
    assert "server.key (tls.key) is empty" in answer["msg"]
