"""The etcd store keeps the interface, on a real etcd: one member, restarted, full, slow, or away."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from openkes.keystore.etcd import EtcdStore
from tests.keystore.conformance import Conformance
from tests.keystore.etcd_server import Cluster, needs_etcd, running

pytestmark = needs_etcd


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running(tmp_path_factory.mktemp("etcd")) as cluster:
        yield cluster


@pytest.fixture
def store(etcd: Cluster) -> Iterator[EtcdStore]:
    store = EtcdStore(etcd.urls, f"/test/{uuid.uuid4()}/")
    yield store
    store.close()


class TestEtcdStore(Conformance):
    """On the fixture of the module."""
