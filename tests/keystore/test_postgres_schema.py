"""The table of the PostgreSQL store: made, migrated by one server at a time, refused when it is not as it must be."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from openkes.keystore import KeyStore, Unreachable
from openkes.keystore.postgres import schema
from openkes.keystore.postgres.absent import is_absent, may_make
from openkes.keystore.postgres.store import PostgresStore
from openkes.keystore.postgres.target import Table, Target
from openkes.keystore.probe import ProbeFailed, probe
from tests.keystore.conformance import run_all
from tests.keystore.postgres_server import Server, needs_postgres, running

pytestmark = needs_postgres
SECOND = "ALTER TABLE {keys} ADD COLUMN note text"
THIRD = "UPDATE {keys} SET note = 'seen'"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running() as server:
        yield server


@pytest.fixture
def table() -> Table:
    """In a schema that is not there either."""
    return Table(f"schema_{uuid.uuid4().hex[:16]}", "keys")


@pytest.fixture
def target(server: Server) -> Target:
    return server.target("secret")


@pytest.fixture
def limited(server: Server) -> Iterator[Target]:
    """A role that may make nothing."""
    server.sql("CREATE ROLE limited LOGIN PASSWORD 'secret'")
    yield server.target("secret", "limited")
    server.sql("DROP OWNED BY limited; DROP ROLE limited")


def migrated(monkeypatch: pytest.MonkeyPatch, *further: str) -> None:
    """As a newer openkes has it."""
    scripts = [*schema.migrations(), *further]
    monkeypatch.setattr(schema, "migrations", lambda: scripts)


def version(server: Server, table: Table) -> list[str]:
    return server.sql(f"SELECT version FROM {table}_version ORDER BY version").split()


def test_it_is_made_with_its_schema(server: Server, target: Target, table: Table) -> None:
    PostgresStore(target, table).close()
    assert version(server, table) == ["1"]
    assert server.sql(f"SELECT tableowner FROM pg_tables WHERE schemaname = '{table.schema}' LIMIT 1") == "kes\n"


def test_a_second_start_changes_nothing(server: Server, target: Target, table: Table) -> None:
    PostgresStore(target, table).create("key", b"entry")
    assert PostgresStore(target, table).get("key") == b"entry"
    assert version(server, table) == ["1"]


def test_a_look_makes_nothing(server: Server, target: Target, table: Table) -> None:
    with pytest.raises(Unreachable, match=f"has no table {table} yet"):
        PostgresStore(target, table, initialise=False)
    assert server.sql(f"SELECT count(*) FROM pg_namespace WHERE nspname = '{table.schema}'") == "0\n"
    assert is_absent(target, table)


def test_a_look_at_one_that_is_there(target: Target, table: Table) -> None:
    PostgresStore(target, table).create("key", b"entry")
    assert not is_absent(target, table)
    assert PostgresStore(target, table, initialise=False).get("key") == b"entry"


def test_several_servers_that_start_at_once(server: Server, target: Target, table: Table) -> None:
    stores: list[KeyStore] = []
    run_all([lambda: stores.append(PostgresStore(target, table)) for _ in range(8)])
    assert len(stores) == 8
    assert version(server, table) == ["1"]


def test_a_newer_openkes_migrates_and_keeps_every_key(
    server: Server, target: Target, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = PostgresStore(target, table)
    old.create("key", b"entry")
    migrated(monkeypatch, SECOND, THIRD)
    new = PostgresStore(target, table)
    assert version(server, table) == ["1", "2", "3"]
    assert server.sql(f"SELECT name, note FROM {table}") == "key|seen\n"
    # A server that is not upgraded yet goes on beside it.
    for store in (old, new):
        assert store.get("key") == b"entry"


def test_several_servers_that_migrate_at_once(
    server: Server, target: Target, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    PostgresStore(target, table).close()
    migrated(monkeypatch, SECOND, THIRD)
    run_all([lambda: PostgresStore(target, table).close() for _ in range(8)])
    assert version(server, table) == ["1", "2", "3"]


def test_a_migration_that_fails_leaves_the_table_as_it_was(
    server: Server, target: Target, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    PostgresStore(target, table).create("key", b"entry")
    with monkeypatch.context() as newer:
        migrated(newer, SECOND, "ALTER TABLE {keys} DROP COLUMN absent")
        with pytest.raises(Unreachable, match='column "absent" of relation "keys" does not exist'):
            PostgresStore(target, table)
    assert version(server, table) == ["1"]
    assert PostgresStore(target, table).get("key") == b"entry"


def test_one_that_a_newer_openkes_changed_is_refused(
    target: Target, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as newer:
        migrated(newer, SECOND)
        PostgresStore(target, table).close()
    with pytest.raises(Unreachable, match=r"has version 2, and this openkes knows version 1: .*upgrade this one"):
        PostgresStore(target, table)


@pytest.mark.parametrize("fault", ["ALTER TABLE {} SET UNLOGGED", "DROP TABLE {}"])
def test_one_that_a_crash_would_empty_is_refused(server: Server, target: Target, table: Table, fault: str) -> None:
    PostgresStore(target, table).close()
    server.sql(fault.format(table))
    with pytest.raises(Unreachable, match=r"is unlogged or missing: .*SET LOGGED"):
        PostgresStore(target, table)


def test_one_that_is_dropped_under_a_running_server_is_not_made_anew(
    server: Server, target: Target, table: Table
) -> None:
    store = PostgresStore(target, table)
    server.sql(f"DROP TABLE {table}")
    with pytest.raises(Unreachable, match=r"does not exist; the table is gone: restore it from a backup"):
        store.create("key", b"entry")


def test_without_the_right_to_make_it(limited: Target, table: Table) -> None:
    assert not may_make(limited, table)
    with pytest.raises(Unreachable, match=r"this role may not \(permission denied for database openkes\): run the SQL"):
        PostgresStore(limited, table)


def test_with_the_right_to_make_it(server: Server, target: Target, limited: Target, table: Table) -> None:
    assert may_make(target, table)
    server.sql(f"CREATE SCHEMA {table.schema}; GRANT USAGE, CREATE ON SCHEMA {table.schema} TO limited")
    assert may_make(limited, table)
    PostgresStore(limited, table).create("key", b"entry")


GRANTS = {
    "schema": "GRANT USAGE ON SCHEMA {0.schema} TO limited",
    "version": "GRANT SELECT ON {0}_version TO limited",
    "list": "GRANT SELECT ON {0} TO limited",
    "create": "GRANT INSERT ON {0} TO limited",
    "replace": "GRANT UPDATE ON {0} TO limited",
    "delete": "GRANT DELETE ON {0} TO limited",
}


def calls(target: Target, table: Table) -> None:
    store = PostgresStore(target, table)
    probe(store)
    store.create("key", b"old")
    store.replace("key", b"old", b"new")
    store.delete("key")


def granted(server: Server, target: Target, table: Table, *names: str) -> None:
    PostgresStore(target, table).close()
    server.sql(";".join(GRANTS[name].format(table) for name in names))


def test_what_a_role_needs(server: Server, target: Target, limited: Target, table: Table) -> None:
    granted(server, target, table, *GRANTS)
    calls(limited, table)


@pytest.mark.parametrize("missing", list(GRANTS))
def test_a_missing_grant_is_named(server: Server, target: Target, limited: Target, table: Table, missing: str) -> None:
    granted(server, target, table, *(name for name in GRANTS if name != missing))
    with pytest.raises((Unreachable, ProbeFailed)) as error:
        calls(limited, table)
    assert (
        f"permission refused for role limited: as the owner of the table, run: {GRANTS[missing].format(table)}"
        in str(error.value)
    )


def test_a_role_without_ddl_starts_on_a_table_that_is_up_to_date(
    server: Server, target: Target, limited: Target, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    granted(server, target, table, *GRANTS)
    calls(limited, table)
    migrated(monkeypatch, SECOND)
    with pytest.raises(Unreachable, match=r"is to be made or changed, and this role may not"):
        PostgresStore(limited, table)
