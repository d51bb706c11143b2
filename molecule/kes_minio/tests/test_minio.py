"""One deployment of two nodes after the role alone: environment, restart, health, and what it does not touch."""

from __future__ import annotations

from typing import Any

import pytest

from tests.roles import on_host, rerun

ENVIRONMENT = "/etc/default/minio"
HOSTS = ["minio-1", "minio-2"]


@pytest.fixture(scope="module")
def nodes() -> dict[str, Any]:
    return {name: on_host.connect(name) for name in HOSTS}


@pytest.mark.parametrize("name", HOSTS)
def test_environment_has_five_lines_more(nodes: dict[str, Any], name: str) -> None:
    before = nodes[name].file("/root/minio.before").content
    after = nodes[name].file(ENVIRONMENT).content
    assert after.startswith(before)
    assert set(after[len(before) :].decode().split()) == {
        "MINIO_KMS_KES_ENDPOINT=https://kes-1:7373",
        "MINIO_KMS_KES_KEY_FILE=/etc/openkes/client.key",
        "MINIO_KMS_KES_CERT_FILE=/etc/openkes/client.crt",
        "MINIO_KMS_KES_KEY_NAME=my-master-key",
        "MINIO_KMS_KES_CAPATH=/etc/openkes/ca.crt",
    }


@pytest.mark.parametrize("name", HOSTS)
def test_environment_file_keeps_owner_and_mode(nodes: dict[str, Any], name: str) -> None:
    file = nodes[name].file(ENVIRONMENT)
    assert (file.user, file.group, file.mode) == ("root", "minio-user", 0o640)


@pytest.mark.parametrize("name", HOSTS)
def test_minio_runs_with_it(nodes: dict[str, Any], name: str) -> None:
    for path in ("minio/health/cluster", "minio/health/ready", "minio-standin/kms/status"):
        assert on_host.http(nodes[name], "GET", f"http://127.0.0.1:9000/{path}")[0] == 200, path


def test_a_second_run_restarts_nothing(nodes: dict[str, Any]) -> None:
    before = {name: on_host.invocation(host, "minio") for name, host in nodes.items()}
    done = rerun.play("converge.yml")
    assert done.returncode == 0
    assert {name: on_host.invocation(host, "minio") for name, host in nodes.items()} == before


def test_a_limit_to_part_of_a_deployment_is_refused(nodes: dict[str, Any]) -> None:
    before = {name: on_host.invocation(host, "minio") for name, host in nodes.items()}
    done = rerun.play("converge.yml", "--limit", "minio-1", kes_minio_key_name="other-key")
    assert done.returncode != 0
    assert "Nothing was changed on any MinIO host" in rerun.said(done)
    assert {name: on_host.invocation(host, "minio") for name, host in nodes.items()} == before
    assert b"other-key" not in nodes["minio-1"].file(ENVIRONMENT).content


def test_check_mode_announces_and_does_not_restart(nodes: dict[str, Any]) -> None:
    host = nodes["minio-2"]
    host.check_output(f"sed -i.good 's/^MINIO_KMS_KES_KEY_NAME=.*/MINIO_KMS_KES_KEY_NAME=by-hand/' {ENVIRONMENT}")
    try:
        before = {name: on_host.invocation(node, "minio") for name, node in nodes.items()}
        done = rerun.play("converge.yml", "--check")
        assert done.returncode == 0
        assert "+MINIO_KMS_KES_KEY_NAME=my-master-key" in done.stdout
        assert {name: on_host.invocation(node, "minio") for name, node in nodes.items()} == before
        assert b"by-hand" in host.file(ENVIRONMENT).content
    finally:
        host.check_output(f"mv {ENVIRONMENT}.good {ENVIRONMENT}")


def test_a_key_that_the_identity_may_not_use_is_refused_before_anything_is_written(nodes: dict[str, Any]) -> None:
    before = {name: host.file(ENVIRONMENT).sha256sum for name, host in nodes.items()}
    done = rerun.play("converge.yml", kes_minio_key_name="not-mine")
    assert done.returncode != 0
    assert "not-mine" in rerun.said(done)
    assert "Nothing was changed on any MinIO host" in rerun.said(done)
    assert {name: host.file(ENVIRONMENT).sha256sum for name, host in nodes.items()} == before
