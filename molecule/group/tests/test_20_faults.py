"""What happens to a group while MinIO writes and reads all the time; each test leaves the group whole again."""

from __future__ import annotations

import itertools
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
import trustme
from conftest import KES, Site, address
from load import Load

from openkes.client import Client
from tests.roles import on_host, releases, rerun

pytestmark = pytest.mark.timeout(900)

#: Clients at work: as many calls can be on their way to a key server when it dies.
CLIENTS = 4
RECOVERY = 10.0  # seconds in which a key server finds its store again by itself, as promised


def nothing_failed(load: Load) -> None:
    load.until_more(20)
    assert load.failures == []
    assert load.first == []


def active(host: Any) -> bool:
    return bool(host.run("systemctl is-active openkes").stdout.strip() == "active")


def wait_until_active(host: Any) -> None:
    on_host.eventually(lambda: active(host), "the key server runs again")


def call_bao(bao: Any, command: str) -> None:
    """`seal` or `unseal`, on the store's host."""
    known = json.loads(bao.file("/root/bao.json").content_string)
    body = json.dumps({"key": known["unseal"]} if command == "unseal" else {})
    bao.check_output(
        "python3 -c %s %s %s %s",
        "import ssl,sys,urllib.request as u\n"
        "r=u.Request('https://localhost:8200/v1/sys/'+sys.argv[1],method='PUT',data=sys.argv[2].encode())\n"
        "r.add_header('X-Vault-Token',sys.argv[3])\n"
        "u.urlopen(r,context=ssl.create_default_context(cafile='/etc/openbao/ca.crt'),timeout=20)",
        command,
        body,
        known["root"],
    )


def test_a_restarted_key_server_is_not_noticed(load: Load, kes: dict[str, Any]) -> None:
    before = on_host.invocation(kes["kes-2"], "openkes")
    kes["kes-2"].check_output("systemctl restart openkes")
    wait_until_active(kes["kes-2"])
    assert on_host.invocation(kes["kes-2"], "openkes") != before
    nothing_failed(load)


def test_reloading_all_at_once_is_not_noticed(load: Load, kes: dict[str, Any]) -> None:
    for host in kes.values():
        host.check_output("systemctl reload openkes")
    nothing_failed(load)


def test_a_killed_key_server_costs_no_client_its_call(load: Load, kes: dict[str, Any]) -> None:
    host = kes["kes-1"]
    host.check_output("systemctl mask --runtime openkes; systemctl kill -s KILL openkes")
    try:
        load.until_more(40)
        # What was on its way when the server died has no answer; the client asks again, and no call fails for good.
        assert load.failures == []
        assert len(load.first) <= CLIENTS
    finally:
        host.check_output("systemctl unmask --runtime openkes; systemctl restart openkes")
    wait_until_active(host)


def is_away(client: Client) -> bool:
    return client.status().get("keystore_unreachable", False) is True


def test_a_sealed_key_store_is_bridged(load: Load, minio: dict[str, Any], bao: Any, admin: dict[str, Client]) -> None:
    call_bao(bao, "seal")
    try:
        for name, client in admin.items():
            on_host.eventually(lambda: is_away(client), f"{name} says that the store is away")
        # Longer than `any`, so that it is `offline` that carries on.
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            load.until_more(5)
        assert load.failures == []
        # MinIO starts while the store is away. Its own clients cannot reach it meanwhile, all others go on.
        node = minio["minio-4"]
        node.check_output("systemctl restart --no-block minio")
        on_host.eventually(
            lambda: on_host.http(node, "GET", "http://127.0.0.1:9000/minio/health/cluster")[0] == 200,
            "MinIO serves again",
        )
        restarted = f"http://{address(node)}:9000/"
        assert [why for why in load.failures if restarted not in why] == []
    finally:
        call_bao(bao, "unseal")
    begin = time.monotonic()
    for name, client in admin.items():
        on_host.eventually(lambda: not is_away(client), f"{name} has its store back")
    took = time.monotonic() - begin
    print(f"\nFIGURES all key servers have the store back {took:.1f} s after it was unsealed")
    assert took < RECOVERY
    load.until_more(20)


def test_a_configuration_changed_by_hand_is_found(site: Site, kes: dict[str, Any]) -> None:
    host = kes["kes-3"]
    host.check_output("sed -i -E 's/any: [56]s/any: 7s/' /etc/openkes/config.yml && systemctl restart openkes")
    wait_until_active(host)
    done = rerun.play("openkes.kes.verify")
    assert done.returncode != 0
    assert "run with different configurations" in rerun.said(done)
    assert site().returncode == 0
    assert rerun.play("openkes.kes.verify").returncode == 0


def test_a_login_that_the_store_refuses_replaces_nothing(site: Site, kes: dict[str, Any], load: Load) -> None:
    before = {name: on_host.invocation(host, "openkes") for name, host in kes.items()}
    good = kes["kes-1"].file("/etc/openkes/credentials/approle").content_string
    done = site(kes_server_credentials={"approle": {"value": "00000000-0000-0000-0000-000000000000"}})
    assert done.returncode != 0
    assert "approle" in rerun.said(done)
    assert kes["kes-1"].file("/etc/openkes/credentials/approle").content_string == good
    assert {name: on_host.invocation(host, "openkes") for name, host in kes.items()} == before
    nothing_failed(load)


def test_a_release_and_its_configuration_reach_one_key_server_after_the_other(
    load: Load, site: Site, kes: dict[str, Any], admin: dict[str, Client], tmp_path: Path
) -> None:
    before = {name: on_host.invocation(host, "openkes") for name, host in kes.items()}
    house = releases.newer(Path(os.environ["OPENKES_WHEELHOUSE"]), tmp_path, "9.0.0")
    done = site(
        kes_server_wheelhouse=str(house),
        kes_server_extra_config={"cache": {"expiry": {"any": "6s", "unused": "1h", "offline": "1h"}}},
    )
    assert done.returncode == 0
    assert [client.version()["version"] for client in admin.values()] == ["9.0.0"] * len(KES)
    after = {name: on_host.invocation(host, "openkes") for name, host in kes.items()}
    assert all(before[name] != after[name] for name in KES)
    begun = [
        int(host.check_output("systemctl show --value -p ActiveEnterTimestampMonotonic openkes")) / 1e6
        for host in kes.values()
    ]
    # One machine, one monotonic clock. MinIO's client sets an endpoint aside for 30 s.
    assert begun == sorted(begun)
    assert all(later - earlier > 30 for earlier, later in itertools.pairwise(begun))
    nothing_failed(load)


def test_certificates_that_do_not_fit_the_store_replace_nothing(
    site: Site, kes: dict[str, Any], tmp_path: Path, load: Load
) -> None:
    before = {name: on_host.invocation(host, "openkes") for name, host in kes.items()}
    path = "/etc/openkes/keystore-ca.crt"
    good = kes["kes-1"].file(path).content_string
    other = tmp_path / "other.crt"
    trustme.CA().cert_pem.write_to_path(other)
    done = site(kes_server_keystore_ca=str(other))
    assert done.returncode != 0
    assert "is not trusted" in rerun.said(done)
    assert [host.file(path).content_string for host in kes.values()] == [good] * len(KES)
    assert {name: on_host.invocation(host, "openkes") for name, host in kes.items()} == before
    nothing_failed(load)
