"""`key` and `round_trip` against a real key server, and their words for what goes wrong."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from openkes.identity import new_identity
from tests import servers
from tests.plugins.conftest import RunModule


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> servers.Identity:
    return servers.make_identity(tmp_path_factory.mktemp("client"), "minio")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, client: servers.Identity) -> Iterator[servers.KeyServer]:
    verbs = ("generate", "decrypt", "describe")
    policy = {"allow": [f"/v1/key/{verb}/allowed*" for verb in verbs], "identities": [client.identity]}
    with servers.running(tmp_path_factory.mktemp("kes"), config={"policy": {"minio": policy}}) as started:
        yield started


@pytest.fixture
def as_admin(server: servers.KeyServer) -> dict[str, Any]:
    return connection(server.admin, server)


@pytest.fixture
def as_minio(server: servers.KeyServer, client: servers.Identity) -> dict[str, Any]:
    return {**connection(client, server), "host": "minio-e3"}


def connection(who: servers.Identity, server: servers.KeyServer) -> dict[str, Any]:
    return {
        "client_certificate": str(who.cert),
        "client_key": str(who.key),
        "trust": str(server.folder / "server.cert"),
        "endpoints": [server.url],
    }


def test_check_mode_then_create_then_nothing(run_module: RunModule, as_admin: dict[str, Any]) -> None:
    assert run_module("key", check=True, name="allowed-1", **as_admin)["changed"] is True
    assert run_module("key", check=True, name="allowed-1", **as_admin)["changed"] is True
    made = run_module("key", name="allowed-1", **as_admin)
    assert made["changed"] is True
    again = run_module("key", name="allowed-1", **as_admin)
    assert again["changed"] is False
    assert again["key"] == made["key"]
    assert again["key"]["name"] == "allowed-1"


@pytest.mark.parametrize("check", [True, False])
def test_a_lost_key_is_not_made_anew(run_module: RunModule, as_admin: dict[str, Any], check: bool) -> None:
    answer = run_module("key", check=check, name="allowed-lost", used_by=["minio-1", "minio-2"], **as_admin)
    assert answer["failed"] is True
    assert "has no key allowed-lost, and MinIO on minio-1, minio-2 uses it already" in answer["msg"]
    assert run_module("key", check=True, name="allowed-lost", **as_admin)["key"] == {}


def test_a_key_in_use_that_is_there_is_left_alone(run_module: RunModule, as_admin: dict[str, Any]) -> None:
    run_module("key", name="allowed-used", **as_admin)
    assert run_module("key", name="allowed-used", used_by=["minio-1"], **as_admin)["changed"] is False


def test_a_key_server_that_is_down_is_passed_over(run_module: RunModule, as_admin: dict[str, Any]) -> None:
    endpoints = [f"https://127.0.0.1:{servers.free_port()}", *as_admin["endpoints"]]
    answer = run_module("key", name="allowed-2", **{**as_admin, "endpoints": endpoints})
    assert answer["endpoint"] == as_admin["endpoints"][0]


def test_who_may_not_is_told_the_path(run_module: RunModule, as_minio: dict[str, Any]) -> None:
    answer = run_module("key", name="forbidden", **{k: v for k, v in as_minio.items() if k != "host"})
    assert answer["failed"] is True
    assert "not authorized: insufficient permissions" in answer["msg"]
    assert "/v1/key/describe/forbidden" in answer["msg"]


def test_a_round_trip(run_module: RunModule, as_admin: dict[str, Any], as_minio: dict[str, Any]) -> None:
    run_module("key", name="allowed-3", **as_admin)
    answer = run_module("round_trip", name="allowed-3", **as_minio)
    assert answer["changed"] is False
    assert answer["proved"] is True


def test_a_missing_key_is_said(run_module: RunModule, as_minio: dict[str, Any]) -> None:
    answer = run_module("round_trip", name="allowed-none", **as_minio)
    assert "key does not exist" in answer["msg"]
    assert "Create the key" in answer["msg"]


def test_every_endpoint_counts(run_module: RunModule, as_admin: dict[str, Any], as_minio: dict[str, Any]) -> None:
    run_module("key", name="allowed-4", **as_admin)
    port = servers.free_port()
    endpoints = [*as_minio["endpoints"], f"https://127.0.0.1:{port}"]
    answer = run_module("round_trip", name="allowed-4", **{**as_minio, "endpoints": endpoints})
    assert answer["failed"] is True
    assert answer["msg"] == (
        f"minio-e3: cannot reach https://127.0.0.1:{port} (connection refused)."
        " Nothing was changed on any MinIO host.\n"
        f"Open port {port} from minio-e3 to 127.0.0.1, then run the playbook again."
    )
    assert [endpoint["ok"] for endpoint in answer["endpoints"]] == [True, False]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"endpoints": ["https://no-such-host.invalid:7373"]}, "the name no-such-host.invalid is not known"),
        ({"client_key": "/nonexistent/client.key"}, "/nonexistent/client.key cannot be read"),
    ],
)
def test_words_for_what_goes_wrong(
    run_module: RunModule, as_minio: dict[str, Any], change: dict[str, Any], says: str
) -> None:
    answer = run_module("round_trip", name="allowed-1", **{**as_minio, **change})
    assert answer["failed"] is True
    assert says in answer["msg"]


def test_a_server_of_another_authority_is_not_trusted(
    run_module: RunModule, as_minio: dict[str, Any], client: servers.Identity
) -> None:
    answer = run_module("round_trip", name="allowed-1", **{**as_minio, "trust": str(client.cert)})
    assert "is not trusted here" in answer["msg"]


@pytest.fixture
def misnamed(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """URL of a TLS listener whose certificate has another name, and the path of that certificate."""
    pair = new_identity("elsewhere", dns=["elsewhere.example"])
    (tmp_path / "tls.key").write_bytes(pair.key)
    (tmp_path / "tls.crt").write_bytes(pair.certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)

        def answer() -> None:
            # The client leaves in the middle of the handshake: that is what is tested.
            with contextlib.suppress(OSError), listener.accept()[0] as raw, context.wrap_socket(raw, server_side=True):
                pass

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}", str(tmp_path / "tls.crt")
    thread.join(30)


def test_a_server_of_another_name_is_not_trusted(
    run_module: RunModule, as_minio: dict[str, Any], misnamed: tuple[str, str]
) -> None:
    endpoint, trust = misnamed
    answer = run_module("round_trip", name="x", **{**as_minio, "endpoints": [endpoint], "trust": trust})
    assert "is not for the name 127.0.0.1" in answer["msg"]
    assert "kes_pki_names" in answer["msg"]


def test_check_mode_before_there_is_a_pair(run_module: RunModule, as_minio: dict[str, Any], tmp_path: Path) -> None:
    answer = run_module("round_trip", check=True, name="x", **{**as_minio, "client_key": str(tmp_path / "none")})
    assert (answer["changed"], answer["proved"]) == (False, False)
