"""The stand-in for MinIO against a real key server: the rules that a rollout depends on."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.sdk import deployment
from tests.sdk.conftest import Target, available, need, serving
from tests.sdk.deployment import Node, nodes
from tests.servers import KeyServer, make_identity

pytestmark = pytest.mark.sdk


@pytest.fixture(scope="session")
def program(go: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built stand-in."""
    return deployment.build(tmp_path_factory.mktemp("standin"))


@pytest.fixture
def server(targets: Callable[[str], Target]) -> KeyServer:
    """The key server that all tests here share; each uses a default key of its own."""
    return targets(available()).server


@pytest.fixture
def four(program: Path, tmp_path: Path) -> Iterator[list[Node]]:
    with nodes(program, tmp_path, 4) as made:
        yield made


@pytest.fixture
def one(program: Path, tmp_path: Path) -> Iterator[Node]:
    with nodes(program, tmp_path, 1) as made:
        yield made[0]


def environment(server: KeyServer, key: str, **more: str) -> dict[str, str]:
    return {
        "MINIO_KMS_KES_ENDPOINT": server.url,
        "MINIO_KMS_KES_KEY_NAME": key,
        "MINIO_KMS_KES_KEY_FILE": str(server.admin.key),
        "MINIO_KMS_KES_CERT_FILE": str(server.admin.cert),
        "MINIO_KMS_KES_CAPATH": str(server.tls.cert),
        **more,
    }


def test_objects_written_on_one_node_are_read_on_all(server: KeyServer, four: list[Node]) -> None:
    for node in four:
        node.start(environment(server, "standin-objects"))
    for node in four:
        node.wait_for("/minio/health/cluster", 200)
    for i, node in enumerate(four):
        assert node.ask(f"/bucket/dir/object-{i}", "PUT", f"content {i}".encode())[0] == 200
    for node in four:
        for i in range(4):
            assert node.ask(f"/bucket/dir/object-{i}") == (200, f"content {i}".encode())
        assert len(json.loads(node.ask("/bucket")[1])["objects"]) == 4
        assert node.ask("/minio-standin/kms/status")[0] == 200
        assert node.ask("/minio/health/ready")[0] == 200
    stored = b"".join(file.read_bytes() for file in four[0].folder.rglob("data-*/**/*.json"))
    assert b"standin-objects" in stored
    assert b"content 1" not in stored


def test_it_creates_a_missing_key_and_says_so(server: KeyServer, one: Node) -> None:
    one.start(environment(server, "standin-missing"))
    one.wait_for("/minio/health/cluster", 200)
    assert "DOES NOT EXIST" in one.log
    assert one.ask("/minio-standin/kms/status")[0] == 200


def test_a_node_with_another_environment_serves_503_until_half_agree(server: KeyServer, four: list[Node]) -> None:
    old, new = environment(server, "standin-old"), environment(server, "standin-new")
    for node in four:
        node.start(old)
    for node in four:
        node.wait_for("/minio/health/cluster", 200)
    four[0].stop()
    four[0].start(new)
    four[0].wait_for("/minio/health/live", 200)
    deployment.wait(lambda: "Mismatching environment values" in four[0].log, lambda: four[0].log)
    assert four[0].ask("/minio/health/cluster")[0] == 503
    assert four[0].ask("/bucket/object", "PUT", b"x")[0] == 503
    four[1].stop()
    four[1].start(new)
    for node in four:  # the two halves serve side by side
        node.wait_for("/minio/health/cluster", 200)


def test_systemd_hears_of_it_only_when_the_peers_agree(server: KeyServer, four: list[Node]) -> None:
    path = four[0].folder / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(path))
        heard.settimeout(deployment.SECONDS)
        four[0].start(environment(server, "standin-notify", NOTIFY_SOCKET=str(path)))
        four[0].wait_for("/minio/health/live", 200)
        deployment.wait(lambda: "waiting for peer" in four[0].log, lambda: four[0].log)
        heard.setblocking(False)
        with pytest.raises(BlockingIOError):
            heard.recv(100)
        heard.settimeout(deployment.SECONDS)
        four[1].start(environment(server, "standin-notify"))
        assert heard.recv(100) == b"READY=1"


def test_it_does_not_start_without_the_key_server(program: Path, server: KeyServer, one: Node) -> None:
    one.start(environment(server, "k", MINIO_KMS_KES_ENDPOINT="https://127.0.0.1:1"))
    assert one.exit_code() == 1
    assert "FATAL: KES generate at start failed" in one.log


def test_it_does_not_start_with_two_kinds_of_kms(server: KeyServer, one: Node) -> None:
    one.start(environment(server, "k", MINIO_KMS_SECRET_KEY=""))
    assert one.exit_code() == 1
    assert "exclude each other" in one.log


def test_an_identity_without_permission_half_works(server: KeyServer, one: Node, tmp_path: Path) -> None:
    nobody = make_identity(tmp_path, "nobody")
    pair = {"MINIO_KMS_KES_KEY_FILE": str(nobody.key), "MINIO_KMS_KES_CERT_FILE": str(nobody.cert)}
    one.start(environment(server, "standin-403", **pair))
    one.wait_for("/minio/health/cluster", 200)
    assert "HALF-WORKING" in one.log
    assert one.ask("/minio/health/ready")[0] == 503
    assert one.ask("/minio-standin/kms/status")[0] == 403


def test_a_renewed_pair_is_used_without_a_restart(server: KeyServer, one: Node, tmp_path: Path) -> None:
    nobody = make_identity(tmp_path, "client")
    pair = {"MINIO_KMS_KES_KEY_FILE": str(nobody.key), "MINIO_KMS_KES_CERT_FILE": str(nobody.cert)}
    one.start(environment(server, "standin-renewed", **pair))
    one.wait_for("/minio-standin/kms/status", 403)
    with server.client() as client:
        client.create_key("standin-renewed")
    shutil.copy(server.admin.key, nobody.key)
    shutil.copy(server.admin.cert, nobody.cert)
    one.wait_for("/minio-standin/kms/status", 200)
    deployment.wait(lambda: "client pair re-read" in one.log, lambda: one.log)


def test_an_api_key_instead_of_the_pair(targets: Callable[[str], Target], one: Node) -> None:
    target = targets(available())
    variables = environment(target.server, "standin-api-key", MINIO_KMS_KES_API_KEY=target.full)
    del variables["MINIO_KMS_KES_KEY_FILE"], variables["MINIO_KMS_KES_CERT_FILE"]
    one.start(variables)
    one.wait_for("/minio-standin/kms/status", 200)


def test_without_kes_variables_objects_are_kept_plain(one: Node) -> None:
    one.start({"MINIO_ROOT_USER": "root"})
    one.wait_for("/minio/health/cluster", 200)
    assert one.ask("/bucket/object", "PUT", b"plain")[0] == 200
    assert one.ask("/bucket/object") == (200, b"plain")
    assert one.ask("/minio-standin/kms/status")[0] == 501


@pytest.mark.parametrize("engine", ["engine", "python"])
def test_objects_outlive_a_restart_of_the_key_server(engine: str, program: Path, tmp_path: Path) -> None:
    need(engine)
    kes, minio = tmp_path / "kes", tmp_path / "minio"
    kes.mkdir()
    minio.mkdir()
    with nodes(program, minio, 1) as (node,):
        with serving(engine, kes) as target:
            node.start(environment(target.server, "standin-restart"))
            node.wait_for("/minio/health/cluster", 200)
            assert node.ask("/bucket/object", "PUT", b"content")[0] == 200
            node.stop()
        with serving(engine, kes) as target:  # on another port
            node.start(environment(target.server, "standin-restart"))
            node.wait_for("/minio/health/cluster", 200)
            assert node.ask("/bucket/object") == (200, b"content")
            assert "DOES NOT EXIST" not in node.log.partition("stopped")[2]
