"""A key server as a service: what it runs as, what it answers whom, what it keeps, and what it survives."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import testinfra

from tests.roles import on_host, rerun

FOLDER = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "pki"
CONFIG = "/etc/openkes/config.yml"
HAS_ENGINE = any(Path(os.environ["OPENKES_WHEELHOUSE"]).glob("openkes_engine-*"))
DENIED = (403, {"message": "not authorized: insufficient permissions"})


@pytest.fixture(scope="module")
def host() -> Any:
    return on_host.connect("kes-1")


@pytest.fixture(scope="module")
def url(host: Any) -> str:
    """The key server as the controller reaches it."""
    return f"https://{host.check_output('getent hosts kes-1').split()[0]}:7373"


@pytest.fixture(scope="module")
def controller() -> Any:
    return testinfra.get_host("local://")


ADMIN = {"cert": str(FOLDER / "admin.crt"), "key": str(FOLDER / "admin.key"), "ca": str(FOLDER / "ca.crt")}


@pytest.fixture(scope="module")
def stranger(controller: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A client certificate that signed itself, as anybody can make one."""
    folder = tmp_path_factory.mktemp("stranger")
    controller.check_output(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=stranger"
        f" -addext basicConstraints=critical,CA:FALSE -keyout {folder}/key -out {folder}/crt 2>{folder}/log"
    )
    return {"cert": f"{folder}/crt", "key": f"{folder}/key", "ca": ADMIN["ca"]}


def test_service_runs_and_starts_at_boot(host: Any) -> None:
    service = host.service("openkes")
    assert (service.is_running, service.is_enabled) == (True, True)
    process = host.process.get(user="openkes")
    assert process.comm.startswith(("kes", "python"))
    assert host.socket("tcp://0.0.0.0:7373").is_listening


@pytest.mark.parametrize(
    ("path", "user", "group", "mode"),
    [
        (CONFIG, "root", "openkes", 0o640),
        ("/etc/openkes/tls/server.key", "root", "openkes", 0o640),
        ("/var/lib/openkes/keys", "openkes", "openkes", 0o700),
        ("/var/log/openkes", "openkes", "openkes", 0o750),
    ],
)
def test_files_are_for_the_server_alone(host: Any, path: str, user: str, group: str, mode: int) -> None:
    file = host.file(path)
    assert (file.user, file.group, file.mode) == (user, group, mode)


def test_program_is_a_release_that_can_be_switched_back(host: Any) -> None:
    link = host.file("/opt/openkes/current")
    assert link.is_symlink
    assert re.match(r"/opt/openkes/\d+\.\d+\.\d+", link.linked_to)
    assert not host.file("/opt/openkes/current/bin/kes").mode & 0o022


@pytest.mark.skipif(not HAS_ENGINE, reason="no Rust compiler on the controller: the Python twin is installed")
def test_engine_speaks_http2(host: Any) -> None:
    said = host.run("openssl s_client -connect 127.0.0.1:7373 -alpn h2 </dev/null").stdout
    assert "ALPN protocol: h2" in said


def test_unit_is_hardened(host: Any) -> None:
    verdict = host.check_output("systemd-analyze security --no-pager openkes | tail -n 1")
    exposure = re.search(r"([\d.]+) (OK|SAFE|MEDIUM|EXPOSED|UNSAFE)", verdict)
    assert exposure is not None, verdict
    assert float(exposure[1]) < 2.0
    assert host.check_output("systemctl show --value -p LimitCORE openkes") == "0"


def test_anyone_gets_the_version_and_nothing_else(controller: Any, url: str, stranger: dict[str, str]) -> None:
    status, answer = on_host.kes(controller, "GET", f"{url}/version", **stranger)
    assert (status, set(answer)) == (200, {"version", "commit"})
    assert on_host.kes(controller, "GET", f"{url}/v1/status", **stranger) == DENIED
    assert on_host.kes(controller, "PUT", f"{url}/v1/key/create/mine", **stranger) == DENIED


def test_denied_requests_are_in_the_audit_log(host: Any, controller: Any, url: str, stranger: dict[str, str]) -> None:
    on_host.kes(controller, "PUT", f"{url}/v1/key/create/audited", **stranger)
    lines = [json.loads(line) for line in host.file("/var/log/openkes/audit.jsonl").content_string.splitlines()]
    found = [line for line in lines if line["request"]["path"] == "/v1/key/create/audited"]
    assert [line["response"]["code"] for line in found] == [403]
    assert re.fullmatch("[0-9a-f]{64}", found[0]["request"]["identity"])


def test_keys_outlive_a_reboot(host: Any, controller: Any, url: str) -> None:
    assert on_host.kes(controller, "PUT", f"{url}/v1/key/create/kept", **ADMIN)[0] == 200
    entry = host.file("/var/lib/openkes/keys/kept")
    assert (entry.user, entry.mode) == ("openkes", 0o600)
    assert entry.content_string.startswith("openkes-seal:")
    _, made = on_host.kes(controller, "PUT", f"{url}/v1/key/generate/kept", {}, **ADMIN)
    on_host.reboot(host)
    on_host.eventually(lambda: host.socket("tcp://0.0.0.0:7373").is_listening, "the key server is back")
    sealed = {"ciphertext": made["ciphertext"]}
    status, answer = on_host.kes(controller, "PUT", f"{url}/v1/key/decrypt/kept", sealed, **ADMIN)
    assert (status, answer) == (200, {"plaintext": made["plaintext"]})


def test_a_new_policy_is_taken_without_a_restart(
    host: Any, controller: Any, url: str, stranger: dict[str, str]
) -> None:
    der = controller.check_output(
        f"openssl x509 -in {stranger['cert']} -noout -pubkey | openssl pkey -pubin -outform der | sha256sum"
    )
    identity = der.split()[0]
    before = on_host.invocation(host, "openkes")
    process = host.check_output("systemctl show --value -p MainPID openkes")
    done = rerun.play(
        "converge.yml",
        kes_server_policies={"watch": {"allow": ["/v1/status"], "identities": [identity]}},
    )
    assert done.returncode == 0
    assert on_host.kes(controller, "GET", f"{url}/v1/status", **stranger)[0] == 200
    assert on_host.kes(controller, "PUT", f"{url}/v1/key/create/mine", **stranger) == DENIED
    assert on_host.invocation(host, "openkes") == before
    assert host.check_output("systemctl show --value -p MainPID openkes") == process


def test_a_bad_configuration_never_replaces_a_good_one(host: Any) -> None:
    before = (host.file(CONFIG).sha256sum, on_host.invocation(host, "openkes"))
    done = rerun.play("converge.yml", kes_server_extra_config={"cash": {"expiry": {"any": "5m"}}})
    assert done.returncode != 0
    assert "cash" in rerun.said(done)
    assert "cache" in rerun.said(done)
    assert (host.file(CONFIG).sha256sum, on_host.invocation(host, "openkes")) == before
    assert host.service("openkes").is_running
