"""The page of the etcd store: its configuration starts a server, its backup is restored, keys move in and out."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from openkes.keystore import Unreachable
from openkes.keystore.etcd import EtcdStore
from tests.keystore import moving
from tests.keystore.etcd_server import Guarded, needs_etcdctl, running, wait_for
from tests.keystore.pages import block, configuration
from tests.servers import running as server_running

pytestmark = needs_etcdctl


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Guarded]:
    with running(tmp_path / "etcd", arguments=["--bcrypt-cost", "4"]) as cluster:
        yield Guarded(cluster, tmp_path)


@pytest.fixture
def keystore(guarded: Guarded) -> dict[str, Any]:
    """The page's section, with this test's etcd in it."""
    document = configuration("etcd")["keystore"]
    document["etcd"]["endpoint"] = list(guarded.cluster.urls)
    document["etcd"]["password"]["file"] = str(guarded.folder / "etcd.password")
    del document["etcd"]["tls"]
    return document


def test_a_server_starts_with_the_configuration_of_the_page(
    tmp_path: Path, keystore: dict[str, Any], guarded: Guarded
) -> None:
    with server_running(tmp_path, {"keystore": keystore}) as server, server.client() as client:
        client.create_key("my-key")
        assert client.describe_key("my-key")["name"] == "my-key"
        checked = moving.kes("server", "check", str(tmp_path / "config.yml"))
        assert "create, read, list and delete work" in checked.stdout + checked.stderr
    assert guarded.store().list("", 10).names == ["my-key"]


def test_keys_move_in_and_out_byte_for_byte(tmp_path: Path, keystore: dict[str, Any]) -> None:
    moving.there_and_back(tmp_path, keystore)


def test_a_snapshot_restored_under_a_running_server_has_every_key(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openkes.keystore.etcd.gateway.ALONE_SECONDS", 1.0)
    store = guarded.store()
    store.create("key", b"entry")
    guarded.shell(block("etcd", "sh", "snapshot save"))
    store.create("later", b"entry")
    guarded.shell(block("etcd", "sh", "snapshot restore"))
    member = guarded.cluster.members[0]
    member.kill()
    shutil.rmtree(member.folder / member.name)
    (guarded.folder / "restored").rename(member.folder / member.name)
    member.arguments.append("--force-new-cluster")
    member.start()
    guarded.cluster.wait_healthy()
    # It does not answer to the token that the store has; the store must not ask with it for ever.
    wait_for(lambda: names(store) == ["key"], "it does not recover")
    assert store.get("key") == b"entry"


def names(store: EtcdStore) -> list[str] | None:
    try:
        return store.list("", 10).names
    except Unreachable:
        return None
