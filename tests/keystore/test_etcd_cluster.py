"""The etcd store on a cluster of three: members are lost, hang and come back, under load."""

from __future__ import annotations

import signal
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from openkes.keystore import Unreachable
from openkes.keystore.etcd import LIMIT_SECONDS, EtcdStore
from tests.keystore.etcd_server import Cluster, Member, needs_etcd, running, wait_for
from tests.keystore.load import loaded

pytestmark = needs_etcd
FAILOVER = 10.0  # seconds that a cluster may need on a loaded machine; a good one elects in two
SLACK = 6.0  # seconds beyond what a call may take


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running(tmp_path_factory.mktemp("three"), members=3) as cluster:
        yield cluster


@pytest.fixture
def cluster(three: Cluster) -> Iterator[Cluster]:
    """Whole again after each test."""
    yield three
    for member in three.members:
        member.kill()
        member.start()
    three.wait_healthy()


@pytest.fixture
def store(cluster: Cluster) -> Iterator[EtcdStore]:
    store = EtcdStore(cluster.urls, f"/test/{uuid.uuid4()}/")
    yield store
    store.close()


@contextmanager
def hurried() -> Iterator[None]:
    """No leader is waited for longer than a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("openkes.keystore.etcd.gateway.ELECTION_SECONDS", 1.0)
        yield


def victim(cluster: Cluster, role: str) -> Member:
    leader = cluster.leader()
    return leader if role == "leader" else next(member for member in cluster.members if member is not leader)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
@pytest.mark.parametrize("role", ["leader", "follower"])
def test_a_member_lost_under_load(cluster: Cluster, store: EtcdStore, role: str, how: signal.Signals) -> None:
    member = victim(cluster, role)
    with loaded(store) as load:
        member.signal(how)
        lost = time.monotonic()
        load.wait_for_more(40)
    assert load.failed_after(lost + FAILOVER) == []
    assert load.slowest < 2 * LIMIT_SECONDS + SLACK
    load.check(store)


def test_the_member_that_is_asked_first_is_lost_and_nobody_notices(cluster: Cluster, store: EtcdStore) -> None:
    first = cluster.members[0]
    if first.is_leader():
        first.kill()
        wait_for(lambda: any(member.is_leader() for member in cluster.members[1:]), "no leader")
    first.kill()
    store.create("key", b"entry")
    assert store.get("key") == b"entry"


def test_members_restarted_one_after_the_other_under_load(cluster: Cluster, store: EtcdStore) -> None:
    with loaded(store) as load:
        for member in cluster.members:
            member.kill()
            member.start()
            wait_for(member.is_healthy, "it does not come back")
            load.wait_for_more(5)
    load.check(store)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_most_members_lost(cluster: Cluster, store: EtcdStore, how: signal.Signals) -> None:
    store.create("key", b"entry")
    lost = cluster.members[:2]
    for member in lost:
        member.signal(how)
    for call in (lambda: store.get("key"), lambda: store.create("other", b"entry"), store.status):
        begin = time.monotonic()
        with hurried(), pytest.raises(Unreachable):
            call()
        assert time.monotonic() - begin < LIMIT_SECONDS + SLACK
    for member in lost:
        if how is signal.SIGKILL:
            member.kill()
            member.start()
        else:
            member.signal(signal.SIGCONT)
    # A first read may be answered in the middle of the elections that follow, and the next one refused.
    wait_for(lambda: reads(store), "it does not recover")
    cluster.wait_healthy()
    assert store.get("key") == b"entry"


def test_a_lone_member_says_what_is_missing(cluster: Cluster, store: EtcdStore) -> None:
    for member in cluster.members[:2]:
        member.kill()
    with hurried():
        wait_for(lambda: "it has no leader: most of its members are away" in why(store), "no reason")


def reads(store: EtcdStore) -> bool:
    return not why(store)


def why(store: EtcdStore) -> str:
    try:
        store.status()
    except Unreachable as error:
        return str(error)
    return ""
