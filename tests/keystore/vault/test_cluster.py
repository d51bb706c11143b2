"""Three nodes: the active one first, every one good enough, and no key lost or doubled when the lead changes.

OpenBao's standbys answer reads by themselves and lag behind; here that must not show.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from openkes.keystore import KeyExists, KeyNotFound, KeyStore, Unreachable
from openkes.keystore.vault import VaultStore
from tests.keystore.bao import Bao, NoBao, Refused, running
from tests.keystore.conformance import Conformance, run_all
from tests.keystore.faulty import wait_for
from tests.keystore.load import loaded
from tests.keystore.vault.site import Site, prepare, site
from tests.keystore.vault.test_conformance import race, raise_together


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Bao]]:
    folder = tmp_path_factory.mktemp("cluster")
    with ExitStack() as stack:
        try:
            first = stack.enter_context(running(folder / "one"))
        except NoBao as error:
            pytest.skip(str(error))
        prepare(first)
        yield [first, *(stack.enter_context(running(folder / name, leader=first)) for name in ("two", "three"))]


def active(nodes: list[Bao]) -> Bao:
    found: list[Bao] = []
    wait_for(lambda: bool(found.extend(node for node in nodes if node.health() == 200) or found))
    return found[0]


def standbys(nodes: list[Bao]) -> list[Bao]:
    """In the order of `nodes`; each serves."""
    first = active(nodes)
    others = [node for node in nodes if node is not first]
    wait_for(lambda: all(node.health() in (429, 473) for node in others))
    return others


@pytest.fixture
def kv(nodes: list[Bao], version: int) -> Iterator[Site]:
    yield from _sites(nodes, version)


def _sites(nodes: list[Bao], version: int, *, wrapped: bool = False) -> Iterator[Site]:
    made = site(active(nodes), version, wrapped=wrapped)
    for node in standbys(nodes):
        # It was made a moment ago, and a standby refuses a role that it has not heard of.
        wait_for(lambda n=node: _knows(n, made.name))
    yield made
    made.close()


def _knows(node: Bao, role: str) -> bool:
    try:
        return bool(node.call("LIST", f"auth/approle/role/{role}/secret-id"))
    except Refused:
        return False


class TestByAStandby(Conformance):
    """The only node that the store knows."""

    @pytest.fixture
    def store(self, kv: Site, nodes: list[Bao]) -> VaultStore:
        return kv.open(urls=(standbys(nodes)[0].url,))

    def test_lists_in_pages_without_loss(self, store: KeyStore) -> None:
        pytest.skip("hundreds of writes; the same on one node")


class TestEachByItsOwnNode:
    """Two of three key servers know a standby only, which shows what others did some milliseconds later: that delays,
    and doubles or loses nothing."""

    @pytest.fixture
    def stores(self, kv: Site, nodes: list[Bao]) -> list[VaultStore]:
        return [kv.open(urls=(node.url,)) for node in nodes]

    @pytest.mark.parametrize("round_", range(5))
    def test_one_of_many_creators_wins(self, stores: list[VaultStore], round_: int) -> None:
        won = race(stores, lambda store, value: store.create("contended", value))
        assert len(won) == 1
        all_see(stores, "contended", won[0])

    @pytest.mark.parametrize("round_", range(5))
    def test_one_of_many_replacers_wins(self, stores: list[VaultStore], round_: int) -> None:
        stores[0].create("contended", b"old")
        all_see(stores, "contended", b"old")
        won = race(stores, lambda store, value: store.replace("contended", b"old", value))
        assert len(won) == 1
        all_see(stores, "contended", won[0])

    def test_a_counter_that_all_raise_misses_nothing(self, stores: list[VaultStore]) -> None:
        stores[0].create("counter", b"0")
        all_see(stores, "counter", b"0")
        raise_together(stores)
        all_see(stores, "counter", b"15")


def all_see(stores: list[VaultStore], name: str, value: bytes | None) -> None:
    for store in stores:
        wait_for(lambda s=store: _value(s, name) == value)


def test_what_was_written_is_read_by_every_node_at_once(kv: Site, nodes: list[Bao]) -> None:
    for node in nodes:
        store = kv.open(urls=(node.url,))
        for i in range(20):
            name = f"{node.folder.name}-{i}"
            store.create(name, b"first")
            assert store.get(name) == b"first"
            store.replace(name, b"first", b"second")
            assert store.get(name) == b"second"
            assert name in store.list(name, 1).names
            store.delete(name)
            with pytest.raises(KeyNotFound):
                store.get(name)


def test_the_active_node_is_asked_first(kv: Site, nodes: list[Bao], caplog: pytest.LogCaptureFixture) -> None:
    order = [*standbys(nodes), active(nodes)]
    store = kv.open(urls=tuple(node.url for node in order))
    assert order[store._client._nodes._first] is active(nodes)
    assert "disable_standby_reads" not in caplog.text


def test_standbys_only_is_said(kv: Site, nodes: list[Bao], caplog: pytest.LogCaptureFixture) -> None:
    kv.open(urls=tuple(node.url for node in standbys(nodes)))
    assert "no node says that it is the active one" in caplog.text


def test_when_the_lead_changes_the_loop_finds_the_new_active_node(kv: Site, nodes: list[Bao]) -> None:
    store = kv.open(urls=tuple(node.url for node in nodes), ping=0.2)
    before = active(nodes)
    assert nodes[store._client._nodes._first] is before
    before.call("PUT", "sys/step-down")
    wait_for(lambda: active(nodes) is not before)
    wait_for(lambda: nodes[store._client._nodes._first] is active(nodes))
    store.create("key", b"entry")
    assert store.get("key") == b"entry"


def test_a_sealed_node_is_passed_over(kv: Site, nodes: list[Bao]) -> None:
    sealed = standbys(nodes)[0]
    sealed.seal()
    try:
        store = kv.open(urls=(sealed.url, active(nodes).url))
        store.create("key", b"entry")
        assert store.get("key") == b"entry"
        with pytest.raises(Unreachable, match="it is sealed: unseal it"):
            kv.open(urls=(sealed.url,))
    finally:
        sealed.unseal()


def test_the_active_node_is_killed_under_load(nodes: list[Bao], version: int) -> None:
    """Every key that a caller was told is stored is there; calls go on with the next active node."""
    sites = _sites(nodes, version, wrapped=True)  # which takes any bytes
    kv = next(sites)
    victim = active(nodes)
    store = kv.open(urls=tuple(node.url for node in nodes), ping=1.0)
    with loaded(store) as load:
        victim.kill()
        load.wait_for_more(20)
    victim.start()
    victim.unseal()
    others = replace(kv, bao=active(nodes)).open()
    load.check(others)
    next(sites, None)
    print(f"failed calls while the lead changed: {len(load.failures)}, slowest {load.slowest:.1f} s")


def test_three_servers_create_one_name_while_the_lead_changes(kv: Site, nodes: list[Bao]) -> None:
    stores = [kv.open(urls=tuple(node.url for node in nodes[i:] + nodes[:i]), ping=1.0) for i in range(3)]
    for round_ in range(3):
        standbys(nodes)
        name = f"contended-{round_}"
        won: list[bytes] = []

        def create(i: int, name: str = name, won: list[bytes] = won) -> None:
            with contextlib.suppress(KeyExists, Unreachable):
                stores[i].create(name, b"value-%d" % i)
                won.append(b"value-%d" % i)

        leader = active(nodes)
        run_all([lambda: leader.call("PUT", "sys/step-down"), *(lambda i=i: create(i) for i in range(3))])
        active(nodes)
        assert len(won) <= 1
        # Nobody may have been told so; then all see the same all the same.
        seen = won[0] if won else _value(stores[0], name)
        all_see(stores, name, seen)


def _value(store: VaultStore, name: str) -> bytes | None:
    with contextlib.suppress(KeyNotFound, Unreachable):
        return store.get(name)
    return None
