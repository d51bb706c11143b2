"""What goes wrong on a fleet: each test breaks one thing, runs the playbook, and leaves the fleet whole again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from conftest import ENVIRONMENT, Site

from tests.roles import on_host, rerun

# Up to three runs of the whole playbook in one test: a guard against a hang, on a machine that is busy, too.
pytestmark = pytest.mark.timeout(900)

WATCHED = f"{ENVIRONMENT} /etc/openkes/client.key /etc/openkes/client.crt /etc/openkes/ca.crt"
MARKER = "/etc/openkes/restart-pending"


def state(hosts: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """What must not change where nothing may be touched: the files, and the run of MinIO."""
    return {
        name: (host.check_output(f"sha256sum {WATCHED}"), on_host.invocation(host, "minio"))
        for name, host in hosts.items()
    }


def healthy(hosts: dict[str, Any]) -> None:
    for name, host in hosts.items():
        status = on_host.http(host, "GET", "http://127.0.0.1:9000/minio/health/cluster")[0]
        assert status == 200, f"{name} is not healthy"


def test_a_wrong_environment_is_repaired_and_its_deployment_restarted_as_one(
    site: Site, east: dict[str, Any], west: dict[str, Any]
) -> None:
    broken = east["minio-e3"]
    broken.check_output(f"sed -i 's/^MINIO_KMS_KES_KEY_NAME=.*/MINIO_KMS_KES_KEY_NAME=by-hand/' {ENVIRONMENT}")
    broken.check_output("systemctl restart --no-block minio")
    before, other = state(east), state(west)
    done = site()
    assert done.returncode == 0
    after = state(east)
    assert "MINIO_KMS_KES_KEY_NAME=my-master-key" in broken.file(ENVIRONMENT).content_string
    restarted = {name for name in east if before[name][1] != after[name][1]}
    assert restarted == set(east)
    healthy(east)
    assert state(west) == other


def test_a_contradictory_variable_is_refused_and_nothing_touched(
    site: Site, east: dict[str, Any], west: dict[str, Any]
) -> None:
    host = east["minio-e2"]
    host.check_output(f"cp -p {ENVIRONMENT} /root/good; sed -i '1iMINIO_KMS_SECRET_KEY=old:c2VjcmV0' {ENVIRONMENT}")
    # Work that is due, and must not be done either.
    east["minio-e1"].check_output(
        f"sed -i.due 's/^MINIO_KMS_KES_KEY_NAME=.*/MINIO_KMS_KES_KEY_NAME=due/' {ENVIRONMENT}"
    )
    try:
        before = state({**east, **west})
        done = site()
        said = rerun.said(done)
        assert done.returncode != 0
        assert "fatal: [minio-e2]" in said
        assert "sets MINIO_KMS_SECRET_KEY, which MinIO does not accept beside a key server" in said
        assert "Nothing was changed on any MinIO host" in said
        assert "c2VjcmV0" not in said
        assert state({**east, **west}) == before
    finally:
        host.check_output(f"mv /root/good {ENVIRONMENT}")
        east["minio-e1"].check_output(f"mv {ENVIRONMENT}.due {ENVIRONMENT}")


@pytest.fixture
def cut_off(kes: Any, east: dict[str, Any]) -> Iterator[Any]:
    """A MinIO host without a route to the key server."""
    host = east["minio-e3"]
    address = host.check_output("getent hosts kes-1").split()[0]
    host.check_output(f"ip route add unreachable {address}/32")
    try:
        yield host
    finally:
        host.check_output(f"ip route del unreachable {address}/32")


def test_an_unreachable_key_server_leaves_all_minio_hosts_untouched(
    site: Site, endpoint: str, east: dict[str, Any], west: dict[str, Any], cut_off: Any
) -> None:
    east["minio-e1"].check_output(
        f"sed -i.due 's/^MINIO_KMS_KES_KEY_NAME=.*/MINIO_KMS_KES_KEY_NAME=due/' {ENVIRONMENT}"
    )
    try:
        before = state({**east, **west})
        done = site()
        assert done.returncode != 0
        said = rerun.said(done)
        assert f"minio-e3: cannot reach {endpoint} (no route to host). Nothing was changed on any MinIO host." in said
        assert "Open port 7373 from minio-e3 to kes-1, then run the playbook again." in said
        assert state({**east, **west}) == before
    finally:
        east["minio-e1"].check_output(f"mv {ENVIRONMENT}.due {ENVIRONMENT}")


def test_a_restart_that_did_not_happen_is_remembered(site: Site, east: dict[str, Any], west: dict[str, Any]) -> None:
    host = east["minio-e4"]
    host.check_output(f"sed -i 's/^MINIO_KMS_KES_KEY_NAME=.*/MINIO_KMS_KES_KEY_NAME=by-hand/' {ENVIRONMENT}")
    before, other = state(east), state(west)
    written = site(kes_minio_restart="none")
    assert written.returncode == 0
    assert host.file(MARKER).exists
    assert {name: run for name, (_, run) in state(east).items()} == {name: run for name, (_, run) in before.items()}
    again = site(kes_minio_restart="none")
    assert again.returncode == 0
    assert "restart is due" in rerun.said(again)
    done = site()
    assert done.returncode == 0
    after = state(east)
    assert {name for name in east if before[name][1] != after[name][1]} == set(east)
    assert not any(node.file(MARKER).exists for node in east.values())
    assert state(west) == other
    healthy(east)


def test_a_failed_restart_is_made_up_for_by_the_next_run(site: Site, east: dict[str, Any]) -> None:
    host = east["minio-e2"]
    host.check_output(
        "mv /usr/local/bin/minio /usr/local/bin/minio.away;"
        f"sed -i 's/^MINIO_KMS_KES_KEY_NAME=.*/MINIO_KMS_KES_KEY_NAME=by-hand/' {ENVIRONMENT}"
    )
    try:
        failed = site(kes_minio_health_timeout=10)
        assert failed.returncode != 0
        said = rerun.said(failed)
        assert "fatal: [minio-e2]" in said
        assert "did not become healthy within 10 s" in said
        assert f"The restart stays noted in {MARKER}" in said
    finally:
        host.check_output("mv /usr/local/bin/minio.away /usr/local/bin/minio")
    before = state(east)
    done = site()
    assert done.returncode == 0
    after = state(east)
    assert {name for name in east if before[name][1] != after[name][1]} == set(east)
    assert not any(node.file(MARKER).exists for node in east.values())
    healthy(east)
