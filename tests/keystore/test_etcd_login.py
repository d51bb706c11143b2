"""The etcd store with a user and a role, as the commands of its page make them on a real etcd."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from openkes.errors import OperatorError
from openkes.keystore import Unreachable
from openkes.keystore.etcd import EtcdStore
from openkes.keystore.etcd.login import Login
from openkes.keystore.probe import ProbeFailed, probe
from tests.keystore.etcd_server import PREFIX, Guarded, needs_etcdctl, running

pytestmark = needs_etcdctl


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    # Cheap passwords, and tokens that end while a test waits.
    with running(folder / "etcd", arguments=["--bcrypt-cost", "4", "--auth-token-ttl", "1"]) as cluster:
        yield Guarded(cluster, folder)


@pytest.fixture
def store(guarded: Guarded) -> Iterator[EtcdStore]:
    store = guarded.store()
    yield store
    for name in store.list("", 1_000).names:
        store.delete(name)
    store.close()


def test_the_role_of_the_page_is_enough(store: EtcdStore) -> None:
    probe(store)
    store.create("key", b"old")
    store.replace("key", b"old", b"new")
    assert store.get("key") == b"new"


@pytest.mark.parametrize("prefix", ["/openkes/", "/other/", "/"])
def test_the_role_of_the_page_reaches_nothing_else(guarded: Guarded, prefix: str) -> None:
    with pytest.raises(Unreachable, match=f"user kes: .*grant-permission ROLE --prefix=true readwrite {prefix}`"):
        guarded.store(prefix)


def test_a_role_that_may_only_read(guarded: Guarded) -> None:
    guarded.shell(
        "etcdctl role add reader; etcdctl role grant-permission reader --prefix=true read /reader/;"
        "etcdctl user grant-role kes reader"
    )
    store = guarded.store("/reader/")
    assert store.list("", 10).names == []
    with pytest.raises(ProbeFailed, match=r"cannot create entries: .*refused for user kes: .*readwrite /reader/`"):
        probe(store)


def test_a_wrong_password_is_said_and_not_shown(guarded: Guarded) -> None:
    with pytest.raises(Unreachable, match="it refuses user kes: wrong name or password") as error:
        EtcdStore(guarded.cluster.urls, PREFIX, login=Login("kes", lambda: "not-this-one"))
    assert "not-this-one" not in str(error.value)


def test_without_a_login(guarded: Guarded) -> None:
    with pytest.raises(Unreachable, match=r"it wants a login: set keystore\.etcd\.user"):
        EtcdStore(guarded.cluster.urls, PREFIX)


def test_a_password_that_cannot_be_read(guarded: Guarded) -> None:
    def password() -> str:
        raise OperatorError("cannot read etcd.password: No such file", "name a file")

    with pytest.raises(Unreachable, match=r"cannot read etcd\.password: No such file; name a file"):
        EtcdStore(guarded.cluster.urls, PREFIX, login=Login("kes", password))


def forgotten(guarded: Guarded, store: EtcdStore) -> None:
    """A member that restarts knows no token any more."""
    guarded.cluster.members[0].kill()
    guarded.cluster.members[0].start()
    guarded.cluster.wait_healthy()


def never_given(guarded: Guarded, store: EtcdStore) -> None:
    assert store._gateway._login is not None
    store._gateway._login._token = "abcdefghijklmnop.1"


def roles_changed(guarded: Guarded, store: EtcdStore) -> None:
    role = f"role-{uuid.uuid4()}"
    guarded.shell(f"etcdctl role add {role}; etcdctl user grant-role kes {role}")


@pytest.mark.parametrize("lose", [forgotten, never_given, roles_changed])
@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.get("key"),
        lambda store: store.list("", 1),
        lambda store: store.create("other", b"entry"),
        lambda store: store.replace("key", b"entry", b"new"),
        lambda store: store.delete("key"),
    ],
    ids=["get", "list", "create", "replace", "delete"],
)
def test_a_token_that_is_lost_is_replaced_unseen(
    guarded: Guarded,
    store: EtcdStore,
    lose: Callable[[Guarded, EtcdStore], None],
    call: Callable[[EtcdStore], object],
) -> None:
    store.create("key", b"entry")
    lose(guarded, store)
    call(store)


def test_a_changed_password_is_taken_from_its_file(guarded: Guarded, store: EtcdStore) -> None:
    store.create("key", b"entry")
    (guarded.folder / "etcd.password").write_text("another-one\n")
    guarded.shell("etcdctl user passwd kes --interactive=false < etcd.password")
    forgotten(guarded, store)
    assert store.get("key") == b"entry"


def test_a_login_where_nobody_is_asked_for_one(tmp_path: Path) -> None:
    with (
        running(tmp_path) as cluster,
        pytest.raises(Unreachable, match="everybody who reaches it has the keys: run `etcdctl auth enable`"),
    ):
        EtcdStore(cluster.urls, PREFIX, login=Login("kes", lambda: "secret"))
