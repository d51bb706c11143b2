"""Namespaces: of the data, and of the login."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from openkes.keystore import Unreachable
from openkes.keystore.vault import Layout
from openkes.keystore.vault.login import AppRole
from tests.keystore.bao import Bao
from tests.keystore.vault.site import Site

POLICY = 'path "%s/*" {\n  capabilities = ["create", "read", "update", "list", "delete"]\n}\n'


@pytest.fixture
def namespace(bao: Bao) -> str:
    """A new one, with a KV engine of version 2."""
    name = f"team-{uuid.uuid4()}"
    bao.namespace(name)
    bao.kv("kv", 2, namespace=name)
    return name


@pytest.fixture
def kv(bao: Bao, namespace: str) -> Iterator[Site]:
    """Its role is in the namespace, where the data is."""
    bao.policy("kes", POLICY % "kv", namespace=namespace)
    made = Site(bao, "kes", bao.approle("kes", ["kes"], namespace=namespace), Layout("kv", 2, "kes"))
    yield made
    made.close()


def login(kv: Site, namespace: str) -> AppRole:
    return AppRole(lambda: kv.role.role_id, lambda: kv.role.secret_id, namespace=namespace)


def test_login_and_data_in_one(kv: Site, namespace: str) -> None:
    store = kv.open(namespace=namespace, login=login(kv, namespace))
    store.create("key", b"entry")
    assert store.get("key") == b"entry"
    assert kv.bao.call("GET", "kv/data/kes/key", namespace=namespace)["data"]["data"] == {"key": "entry"}


def test_login_at_the_root_and_data_below(kv: Site, namespace: str) -> None:
    kv.bao.policy(namespace, POLICY % f"{namespace}/kv")
    kv.role = kv.bao.approle(namespace, [namespace], token_ttl="2s")
    store = kv.open(namespace=namespace, login=login(kv, ""))
    store.create("key", b"entry")
    kv.bao.call("PUT", "sys/leases/revoke-prefix/auth/approle/login")
    assert store.get("key") == b"entry"


def test_a_permission_that_is_missing_names_the_namespace(kv: Site, namespace: str) -> None:
    store = kv.open(namespace=namespace, login=login(kv, namespace))
    kv.bao.policy("kes", POLICY % "kv/metadata", namespace=namespace)
    with pytest.raises(Unreachable, match=rf"needs create on kv/data/kes/\* in namespace {namespace}"):
        store.create("key", b"entry")


def test_one_that_is_not_there(kv: Site, namespace: str) -> None:
    with pytest.raises(Unreachable, match=r"the login at auth/approle is refused .*namespace not found"):
        kv.open(namespace="nowhere", login=login(kv, "nowhere"))
    with pytest.raises(Unreachable, match="there is no namespace nowhere: make it"):
        kv.open(namespace="nowhere", login=login(kv, namespace))
