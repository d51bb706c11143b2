"""The etcd store keeps the interface, on a real etcd of one member: restarted, full, slow, away, with answers lost."""

from __future__ import annotations

import signal
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from openkes.keystore import KeyNotFound, Unreachable
from openkes.keystore.etcd import LIMIT_SECONDS, EtcdStore, messages
from openkes.keystore.etcd.gateway import Gateway
from tests.keystore.conformance import Conformance
from tests.keystore.etcd_server import Cluster, needs_etcd, running
from tests.keystore.in_doubt import TOO_LONG, InDoubt
from tests.keystore.lossy import Proxy, lossy
from tests.keystore.shared import Shared

pytestmark = needs_etcd


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second in all, in place of nine."""
    monkeypatch.setattr("openkes.keystore.etcd.LIMIT_SECONDS", 1.0)
    monkeypatch.setattr("openkes.keystore.etcd.gateway.ALONE_SECONDS", 1.0)


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running(tmp_path_factory.mktemp("etcd")) as cluster:
        yield cluster


@pytest.fixture
def prefix() -> str:
    return f"/test/{uuid.uuid4()}/"


@pytest.fixture
def store(etcd: Cluster, prefix: str) -> Iterator[EtcdStore]:
    store = EtcdStore(etcd.urls, prefix)
    yield store
    store.close()


@pytest.fixture
def again(etcd: Cluster, prefix: str) -> Iterator[EtcdStore]:
    """Of another key server."""
    store = EtcdStore(etcd.urls, prefix)
    yield store
    store.close()


@pytest.fixture
def proxy(etcd: Cluster) -> Iterator[Proxy]:
    """Loses transactions, or their answers."""
    address = urlsplit(etcd.urls[0])
    with lossy((address.hostname or "", address.port or 0), b"POST " + messages.TXN.encode()) as proxy:
        yield proxy


@pytest.fixture
def behind(proxy: Proxy, prefix: str) -> Iterator[EtcdStore]:
    """The same entries as `store`, through the proxy."""
    store = EtcdStore((f"http://127.0.0.1:{proxy.port}",), prefix)
    yield store
    store.close()


@pytest.fixture
def pauser(behind: EtcdStore) -> Gateway:
    return behind._gateway


class TestEtcdStore(Conformance, Shared, InDoubt):
    """With the fixture `store` of this module."""


def test_an_entry_is_a_key_below_the_prefix_with_the_very_bytes(etcd: Cluster, store: EtcdStore, prefix: str) -> None:
    store.create("key", b"entry\x00\xff")
    answer = store._gateway._endpoints.call("POST", messages.RANGE, messages.read(f"{prefix}key".encode()))
    assert messages.stored_in(answer.document).value == b"entry\x00\xff"


def put(store: EtcdStore, key: str, value: bytes) -> None:
    """As somebody else does it, past the store."""
    message = {"key": messages._text(key.encode()), "value": messages._text(value)}
    assert store._gateway._endpoints.call("POST", "/v3/kv/put", message).status == 200


@pytest.mark.parametrize("other", ["sub/key", "a key", "", "-"])
def test_what_others_keep_below_the_prefix_is_not_listed(store: EtcdStore, prefix: str, other: str) -> None:
    store.create("a", b"entry")
    store.create("z", b"entry")
    put(store, prefix + other, b"theirs")
    assert store.list("", 10).names == ["a", "z"]


def test_neighbours_of_the_prefix_are_not_listed(store: EtcdStore, prefix: str) -> None:
    put(store, prefix[:-1], b"before")
    put(store, prefix[:-1] + "0", b"behind")
    assert store.list("", 10).names == []


def test_a_name_that_is_none_reaches_no_other_key(store: EtcdStore, prefix: str) -> None:
    put(store, prefix + "sub/key", b"theirs")
    with pytest.raises(KeyNotFound):
        store.get("sub/key")


def test_a_list_of_5000_names(store: EtcdStore, prefix: str) -> None:
    names = sorted(f"key-{i}" for i in range(5_000))
    for begin in range(0, len(names), 100):
        puts = [messages._put(f"{prefix}{name}".encode(), b"entry") for name in names[begin : begin + 100]]
        assert store._gateway.call(messages.TXN, {"success": puts}, time.monotonic() + 60)["succeeded"]
    assert store.list("", 10_000).names == names
    page = store.list("key-", 1_000)
    assert (page.names, page.continue_at) == (names[:1_000], names[1_000])
    assert store.list("key-", 1_000, page.continue_at).names == names[1_000:2_000]


def test_more_names_than_are_asked_for_at_once(store: EtcdStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openkes.keystore.etcd._PAGE", 2)
    for name in "abcde":
        store.create(name, b"entry")
    assert store.list("", 5).names == list("abcde")
    page = store.list("", 3)
    assert (page.names, page.continue_at) == (["a", "b", "c"], "d")


def test_a_delete_goes_on_when_the_entry_was_replaced_meanwhile(store: EtcdStore, prefix: str) -> None:
    store.create("key", b"first")
    change = store._change
    changed: list[bool] = []

    def replaced_first(transaction: object, until: float) -> object:
        if not changed:
            changed.append(True)
            put(store, prefix + "key", b"second")
        return change(transaction, until)

    store._change = replaced_first  # type: ignore[method-assign, assignment]
    store.delete("key")
    assert store.list("", 10).names == []


def test_nobody_there() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    with pytest.raises(Unreachable, match="Connection refused; is it up, and can this host reach it"):
        EtcdStore((url,), "/keys/")


@pytest.mark.usefixtures("impatient")
def test_something_else_is_there(proxy: Proxy) -> None:
    proxy.silent = True
    begin = time.monotonic()
    with pytest.raises(Unreachable, match="no answer in time"):
        EtcdStore((f"http://127.0.0.1:{proxy.port}",), "/keys/")
    assert time.monotonic() - begin < TOO_LONG


def test_a_close_ends_a_wait(proxy: Proxy, behind: EtcdStore) -> None:
    proxy.lost_requests = 1_000_000
    failed: list[Exception] = []

    def create() -> None:
        try:
            behind.create("key", b"entry")
        except Unreachable as error:
            failed.append(error)

    thread = threading.Thread(target=create)
    begin = time.monotonic()
    thread.start()
    behind.close()
    thread.join()
    assert len(failed) == 1
    assert time.monotonic() - begin < LIMIT_SECONDS


class TestOwnServer:
    """An etcd for one test, for what would disturb the others."""

    @pytest.fixture
    def etcd(self, tmp_path: Path) -> Iterator[Cluster]:
        with running(tmp_path / "etcd") as cluster:
            yield cluster

    def test_killed_and_started_again_it_has_every_key(self, etcd: Cluster, store: EtcdStore) -> None:
        store.create("key", b"entry")
        etcd.members[0].kill()
        with pytest.raises(Unreachable):
            store.get("key")
        etcd.members[0].start()
        etcd.wait_healthy()
        assert store.get("key") == b"entry"

    @pytest.mark.usefixtures("impatient")
    def test_paused_it_is_unreachable_and_then_goes_on(self, etcd: Cluster, store: EtcdStore) -> None:
        store.create("key", b"entry")
        etcd.members[0].signal(signal.SIGSTOP)
        begin = time.monotonic()
        with pytest.raises(Unreachable, match="no answer in time"):
            store.get("key")
        assert time.monotonic() - begin < TOO_LONG
        etcd.members[0].signal(signal.SIGCONT)
        assert store.get("key") == b"entry"

    def test_a_full_quota_is_named_and_keys_are_still_read(self, tmp_path: Path, prefix: str) -> None:
        with running(tmp_path / "full", arguments=["--quota-backend-bytes", "200000"]) as cluster:
            store = EtcdStore(cluster.urls, prefix)
            with pytest.raises(Unreachable, match=r"NOSPACE.*etcdctl alarm disarm"):
                for i in range(1_000):
                    store.create(f"key-{i}", b"entry" * 200)
            assert store.get("key-0") == b"entry" * 200

    def test_without_its_gateway(self, tmp_path: Path, prefix: str) -> None:
        with (
            running(tmp_path / "none", arguments=["--enable-grpc-gateway=false"]) as cluster,
            pytest.raises(Unreachable, match="--enable-grpc-gateway=true"),
        ):
            EtcdStore(cluster.urls, prefix)
