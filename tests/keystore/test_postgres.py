"""The PostgreSQL store keeps the interface, on a real server: with answers lost, locked, silent, or set up badly."""

from __future__ import annotations

import socket
import threading
import time
import uuid
from collections.abc import Iterator

import psycopg
import pytest

from openkes.errors import OperatorError
from openkes.keystore import KeyNotFound, Unreachable
from openkes.keystore.postgres.connections import MOST, Connections
from openkes.keystore.postgres.store import PostgresStore
from openkes.keystore.postgres.target import Host, Table, Target
from tests.keystore.conformance import Conformance, run_all
from tests.keystore.in_doubt import TOO_LONG, InDoubt
from tests.keystore.lossy import Proxy, lossy
from tests.keystore.postgres_server import DATABASE, Server, needs_postgres, running
from tests.keystore.shared import Shared

pytestmark = needs_postgres
CHANGES = (b"INSERT INTO", b"UPDATE ", b"DELETE FROM")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running() as server:
        yield server


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second in all, in place of nine."""
    monkeypatch.setattr("openkes.keystore.postgres.database.LIMIT_SECONDS", 1.0)
    monkeypatch.setattr("openkes.keystore.postgres.session.SILENCE_SECONDS", 0.8)
    monkeypatch.setattr("openkes.keystore.postgres.session.STATEMENT_SECONDS", 0.5)
    monkeypatch.setattr("openkes.keystore.postgres.connections.CONNECT_SECONDS", 1)


@pytest.fixture
def table() -> Table:
    """A fresh one."""
    return Table("openkes", f"keys_{uuid.uuid4().hex[:16]}")


@pytest.fixture
def store(server: Server, table: Table) -> Iterator[PostgresStore]:
    store = PostgresStore(server.target("secret"), table)
    yield store
    store.close()


@pytest.fixture
def again(server: Server, store: PostgresStore, table: Table) -> Iterator[PostgresStore]:
    """Of another key server."""
    store = PostgresStore(server.target("secret"), table)
    yield store
    store.close()


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    """Loses changes, or the answers to them."""
    with lossy((server.host.name, server.port), *CHANGES) as proxy:
        yield proxy


def through(proxy: Proxy) -> Target:
    return Target((Host("127.0.0.1", proxy.port),), DATABASE, "kes", lambda: "secret")


@pytest.fixture
def behind(proxy: Proxy, store: PostgresStore, table: Table) -> Iterator[PostgresStore]:
    """The same entries as `store`, through the proxy."""
    store = PostgresStore(through(proxy), table)
    yield store
    store.close()


@pytest.fixture
def pauser(behind: PostgresStore) -> Connections:
    return behind._database._connections


class TestPostgresStore(Conformance, Shared, InDoubt):
    """With the fixture `store` of this module."""


def test_an_entry_is_a_row_with_the_very_bytes(server: Server, store: PostgresStore, table: Table) -> None:
    store.create("key", b"entry\x00\xff")
    assert server.sql(f"SELECT name, encode(value, 'hex') FROM {table}") == "key|656e74727900ff\n"


def test_a_list_of_5000_names(server: Server, store: PostgresStore, table: Table) -> None:
    server.sql(f"INSERT INTO {table} (name, value) SELECT 'key-' || i, 'entry' FROM generate_series(1, 5000) i")
    names = sorted(f"key-{i}" for i in range(1, 5_001))
    assert store.list("", 10_000).names == names
    page = store.list("key-", 1_000)
    assert (page.names, page.continue_at) == (names[:1_000], names[1_000])
    assert store.list("key-", 1_000, page.continue_at).names == names[1_000:2_000]


def test_names_that_are_none_are_not_listed(server: Server, store: PostgresStore, table: Table) -> None:
    server.sql(f"INSERT INTO {table} (name, value) VALUES ('a key', 'entry'), ('a-', 'entry'), ('b', 'entry')")
    assert store.list("", 10).names == ["b"]
    with pytest.raises(KeyNotFound):
        store.get("a key")


def test_a_connection_that_was_ended_meanwhile_is_replaced_unseen(server: Server, store: PostgresStore) -> None:
    store.create("key", b"entry")
    server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'kes'")
    assert store.get("key") == b"entry"


@pytest.mark.usefixtures("impatient")
def test_a_server_that_falls_silent(proxy: Proxy, behind: PostgresStore) -> None:
    behind.create("key", b"entry")
    proxy.silent = True
    for call in (lambda: behind.get("key"), lambda: behind.create("other", b"entry"), behind.status):
        begin = time.monotonic()
        with pytest.raises(Unreachable):
            call()
        assert time.monotonic() - begin < TOO_LONG
    proxy.silent = False
    assert behind.get("key") == b"entry"


@pytest.mark.usefixtures("impatient")
def test_a_server_that_is_silent_from_the_start(proxy: Proxy, table: Table) -> None:
    proxy.silent = True
    with pytest.raises(Unreachable, match="timeout expired; is it up, and can this host reach it"):
        PostgresStore(through(proxy), table)


@pytest.mark.usefixtures("impatient")
def test_a_locked_table_is_said(server: Server, store: PostgresStore, table: Table) -> None:
    with psycopg.connect(
        f"host={server.folder} port={server.port} dbname={DATABASE} user=kes password=secret"
    ) as other:
        other.execute(f"LOCK TABLE {table}")
        with pytest.raises(Unreachable, match=r"statement timeout; a transaction holds the table"):
            store.create("key", b"entry")
    store.create("key", b"entry")


def test_nobody_there(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openkes.keystore.postgres.database.RESTART_SECONDS", 0.3)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        target = Target((Host("127.0.0.1", probe.getsockname()[1]),), DATABASE, "kes")
    with pytest.raises(Unreachable, match=r"PostgreSQL 127\.0\.0\.1:\d+: Connection refused; is it up"):
        PostgresStore(target, table)


@pytest.mark.parametrize(
    ("user", "password", "database", "text"),
    [
        ("kes", "wrong", DATABASE, r'password authentication failed for user "kes"; look at keystore\.postgres\.user'),
        ("kes", None, DATABASE, r"no password supplied; set keystore\.postgres\.password"),
        ("nobody", "secret", DATABASE, 'password authentication failed for user "nobody"'),
        ("kes", "secret", "absent", 'database "absent" does not exist'),
    ],
)
def test_a_login_that_is_refused(
    server: Server, table: Table, user: str, password: str | None, database: str, text: str
) -> None:
    target = Target((server.host,), database, user, (lambda: password) if password else None)
    with pytest.raises(Unreachable, match=text) as error:
        PostgresStore(target, table)
    assert "wrong" not in str(error.value)


def test_a_password_that_cannot_be_read(server: Server, table: Table) -> None:
    def password() -> str:
        raise OperatorError("cannot read postgres.password: No such file", "name a file")

    with pytest.raises(Unreachable, match=r"cannot read postgres\.password: No such file; name a file"):
        PostgresStore(Target((server.host,), DATABASE, "kes", password), table)


def test_a_changed_password_is_taken_for_the_next_connection(server: Server, table: Table) -> None:
    server.sql("CREATE ROLE changing LOGIN PASSWORD 'one' IN ROLE kes")
    passwords = ["one"]
    store = PostgresStore(Target((server.host,), DATABASE, "changing", lambda: passwords[-1]), table)
    store.create("key", b"entry")
    server.sql("ALTER ROLE changing PASSWORD 'two'")
    server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'changing'")
    passwords.append("two")
    assert store.get("key") == b"entry"
    store.close()


def test_more_callers_than_connections(server: Server, store: PostgresStore) -> None:
    run_all([lambda i=i: store.create(f"key-{i}", b"entry") for i in range(4 * MOST)])
    assert len(store.list("", 1_000).names) == 4 * MOST
    assert int(server.sql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'kes'")) <= 2 * MOST


def test_a_close_ends_a_wait(proxy: Proxy, behind: PostgresStore) -> None:
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
    assert time.monotonic() - begin < TOO_LONG


@pytest.mark.parametrize("value", ["off", "local", "remote_write", "remote_apply"])
def test_commits_are_durable_whatever_the_default_is(server: Server, table: Table, value: str) -> None:
    server.sql(f"ALTER ROLE kes SET synchronous_commit = {value}")
    try:
        store = PostgresStore(server.target("secret"), table)
        found = store._database.call(lambda session, until, _: session.rows("SHOW synchronous_commit", [], until))
        assert found == [("remote_apply" if value == "remote_apply" else "on",)]
        store.close()
    finally:
        server.sql("ALTER ROLE kes RESET synchronous_commit")


def test_names_are_not_looked_up_among_others(server: Server, store: PostgresStore) -> None:
    found = store._database.call(lambda session, until, _: session.rows("SHOW search_path", [], until))
    assert found == [("pg_catalog",)]


def test_a_server_that_does_not_sync_is_refused(table: Table) -> None:
    with (
        running({"fsync": "off"}) as server,
        pytest.raises(Unreachable, match=r"runs with fsync = off, and a power cut takes keys"),
    ):
        PostgresStore(server.target("secret"), table)


def test_a_commit_that_comes_with_a_warning_is_not_reported_before_another_without(
    server: Server, store: PostgresStore, table: Table
) -> None:
    """As a server warns when it gives up waiting for its standby."""
    server.sql(
        f"CREATE FUNCTION openkes.warn() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'not replicated'; "
        f"RETURN NEW; END $$; CREATE TRIGGER warn BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION openkes.warn()"
    )
    created = server.sql("SELECT txid_current()")
    store.create("key", b"entry")
    # It was written once more, by a change that changes nothing and brings no warning.
    assert store.get("key") == b"entry"
    assert int(server.sql(f"SELECT xmin FROM {table}")) > int(created) + 1
