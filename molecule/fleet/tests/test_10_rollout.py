"""After the rollout: what lies where, who may do what, and objects that all nodes can read."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from conftest import EAST, ENVIRONMENT, WEST

from tests.roles import on_host

OURS = {
    "MINIO_KMS_KES_KEY_FILE": "/etc/openkes/client.key",
    "MINIO_KMS_KES_CERT_FILE": "/etc/openkes/client.crt",
    "MINIO_KMS_KES_KEY_NAME": "my-master-key",
    "MINIO_KMS_KES_CAPATH": "/etc/openkes/ca.crt",
}


@pytest.fixture(params=EAST + WEST)
def minio(request: pytest.FixtureRequest, east: dict[str, Any], west: dict[str, Any]) -> Any:
    return {**east, **west}[request.param]


def test_environment_has_our_lines_and_is_otherwise_as_it_was(minio: Any, endpoint: str) -> None:
    before = minio.file("/root/minio.before").content
    after = minio.file(ENVIRONMENT).content
    assert after.startswith(before)
    added = after[len(before) :].decode().split()
    assert dict(line.split("=", 1) for line in added) == {**OURS, "MINIO_KMS_KES_ENDPOINT": endpoint}
    assert minio.file(ENVIRONMENT).mode == minio.file("/root/minio.before").mode
    assert minio.file(ENVIRONMENT).group == "minio-user"


def test_only_its_own_key_lies_on_a_minio_host(minio: Any) -> None:
    assert on_host.files_with_private_keys(minio) == {"/etc/openkes/client.key"}
    key = minio.file("/etc/openkes/client.key")
    assert (key.user, key.mode & 0o077) == ("minio-user", 0)


def test_only_its_own_key_lies_on_the_key_server(kes: Any) -> None:
    assert all(path.startswith("/etc/openkes/tls/") for path in on_host.files_with_private_keys(kes))
    assert kes.file("/var/lib/openkes/keys").mode == 0o700


def test_every_host_has_an_identity_of_its_own(east: dict[str, Any], west: dict[str, Any]) -> None:
    command = "openssl x509 -in /etc/openkes/client.crt -noout -pubkey"
    keys = [host.check_output(command) for host in (*east.values(), *west.values())]
    assert len(set(keys)) == len(EAST) + len(WEST)


def test_minio_may_use_its_key(minio: Any, endpoint: str) -> None:
    status, made = on_host.kes(minio, "PUT", f"{endpoint}/v1/key/generate/my-master-key", {"context": "Yg=="})
    assert status == 200
    sealed = {"ciphertext": made["ciphertext"], "context": "Yg=="}
    assert on_host.kes(minio, "PUT", f"{endpoint}/v1/key/decrypt/my-master-key", sealed)[1] == {
        "plaintext": made["plaintext"]
    }


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "delete/my-master-key"),
        ("PUT", "create/another-key"),
        ("PUT", "generate/another-key"),
        ("PUT", "import/another-key"),
    ],
)
def test_minio_may_do_no_more(east: dict[str, Any], endpoint: str, method: str, path: str) -> None:
    body = {"key": base64.b64encode(bytes(32)).decode()} if path.startswith("import") else None
    status, answer = on_host.kes(east["minio-e1"], method, f"{endpoint}/v1/key/{path}", body)
    assert (status, answer) == (403, {"message": "not authorized: insufficient permissions"})


def test_a_stranger_may_do_nothing(east: dict[str, Any], endpoint: str) -> None:
    host = east["minio-e1"]
    host.check_output(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=stranger"
        " -addext basicConstraints=critical,CA:FALSE"
        " -keyout /run/stranger.key -out /run/stranger.crt 2>/run/stranger.log"
    )
    stranger = {"cert": "/run/stranger.crt", "key": "/run/stranger.key"}
    assert on_host.kes(host, "GET", f"{endpoint}/version", **stranger)[0] == 200
    status, answer = on_host.kes(host, "PUT", f"{endpoint}/v1/key/generate/my-master-key", {}, **stranger)
    assert (status, answer) == (403, {"message": "not authorized: insufficient permissions"})


def test_minio_is_healthy_and_reaches_its_key(minio: Any) -> None:
    for path in ("minio/health/cluster", "minio/health/ready", "minio-standin/kms/status"):
        assert on_host.http(minio, "GET", f"http://127.0.0.1:9000/{path}")[0] == 200, path


def test_objects_are_encrypted_and_readable_on_every_node(east: dict[str, Any]) -> None:
    write_and_read(east, "rollout")


def test_objects_outlive_a_reboot_of_the_key_server(kes: Any, east: dict[str, Any]) -> None:
    before = write_and_read(east, "before-reboot")
    on_host.reboot(kes)
    on_host.eventually(
        lambda: on_host.http(east["minio-e1"], "GET", "http://127.0.0.1:9000/minio/health/ready")[0] == 200,
        "MinIO reaches the key server after its reboot",
    )
    for host in east.values():
        for name, data in before.items():
            answer = on_host.http(host, "GET", f"http://127.0.0.1:9000/before-reboot/{name}")
            assert answer[:2] == (200, data)
    write_and_read(east, "after-reboot")


def test_audit_knows_who_used_the_key(kes: Any) -> None:
    lines = kes.file("/var/log/openkes/audit.jsonl").content_string
    assert '"/v1/key/generate/my-master-key"' in lines
    assert kes.file("/var/log/openkes/audit.jsonl").mode & 0o007 == 0


def write_and_read(nodes: dict[str, Any], bucket: str) -> dict[str, bytes]:
    """Write an object through each node, then read and list all of them on each."""
    objects = {f"from-{name}": f"plain text of {name}".encode() for name in nodes}
    url = f"http://127.0.0.1:9000/{bucket}"
    for name, host in nodes.items():
        status, _, headers = on_host.http(host, "PUT", f"{url}/from-{name}", objects[f"from-{name}"])
        assert (status, headers["X-Minio-Standin-Encrypted"]) == (200, "yes")
    for host in nodes.values():
        for name, data in objects.items():
            assert on_host.http(host, "GET", f"{url}/{name}")[:2] == (200, data)
        status, listing, _ = on_host.http(host, "GET", url)
        assert status == 200
        assert all(name.encode() in listing for name in objects)
        # An object that was not encrypted would lie there in this form.
        for data in objects.values():
            assert host.run("grep -rlF %s /srv/minio", base64.b64encode(data).decode()).stdout == ""
    return objects
