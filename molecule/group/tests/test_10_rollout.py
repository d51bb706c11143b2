"""After the rollout: three key servers with the same keys, and nothing to read for others."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import KES, MINIO

from tests.roles import on_host

SECRET = "/etc/openkes/credentials/approle"


def test_every_minio_host_knows_all_key_servers_in_the_same_order(minio: dict[str, Any]) -> None:
    wanted = "MINIO_KMS_KES_ENDPOINT=" + ",".join(f"https://{name}:7373" for name in KES)
    for host in minio.values():
        assert wanted in host.file("/etc/default/minio").content_string.splitlines()


def test_what_one_key_server_encrypts_the_others_decrypt(minio: dict[str, Any]) -> None:
    host = minio["minio-1"]
    _, made = on_host.kes(host, "PUT", "https://kes-1:7373/v1/key/generate/my-master-key", {"context": "Yg=="})
    sealed = {"ciphertext": made["ciphertext"], "context": "Yg=="}
    for name in KES[1:]:
        status, opened = on_host.kes(host, "PUT", f"https://{name}:7373/v1/key/decrypt/my-master-key", sealed)
        assert (status, opened["plaintext"]) == (200, made["plaintext"])


@pytest.mark.parametrize("name", KES)
def test_the_login_is_for_root_and_the_server_only(kes: dict[str, Any], name: str) -> None:
    host = kes[name]
    assert (host.file(SECRET).user, host.file(SECRET).mode) == ("root", 0o600)
    assert host.file("/etc/openkes/credentials").mode == 0o700
    secret = host.file(SECRET).content_string.strip()
    assert secret not in host.file("/etc/openkes/config.yml").content_string
    assert secret not in host.check_output("cat /proc/*/cmdline /proc/*/environ 2>/dev/null | tr '\\0' ' '")
    assert host.run("runuser -u nobody -- ls /run/credentials/openkes.service").rc != 0


def test_objects_are_read_on_every_node(minio: dict[str, Any]) -> None:
    first = minio[MINIO[0]]
    status, _, headers = on_host.http(first, "PUT", "http://127.0.0.1:9000/rollout/object", b"content")
    assert (status, headers["X-Minio-Standin-Encrypted"]) == (200, "yes")
    for host in minio.values():
        assert on_host.http(host, "GET", "http://127.0.0.1:9000/rollout/object")[:2] == (200, b"content")
