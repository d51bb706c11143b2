"""The table, and the numbered files that make and change it.

Owns which version there is, and that it is brought up to date by one server at a time. A server without the right to
make tables starts where that is not needed. Must not know what is done with the table.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from importlib.resources import files

import psycopg
from psycopg.sql import SQL, Identifier

from openkes.keystore import Unreachable
from openkes.keystore.postgres.session import SILENCE_SECONDS, Session
from openkes.keystore.postgres.target import Table

MIGRATE_SECONDS = 60.0  # another server may be at it
_PAUSE_SECONDS = 0.2
_PAGE = "docs/stores/postgres.md, Least permissions"


def keys_of(table: Table) -> Identifier:
    return Identifier(table.schema, table.name)


def versions_of(table: Table) -> Identifier:
    """The table with the version of both."""
    return Identifier(table.schema, f"{table.name}_version")


def migrations() -> list[str]:
    """SQL with `{keys}` for the table: what makes version 1, 2, and so on."""
    folder = files(__package__) / "migrations"
    named = sorted(file.name for file in folder.iterdir() if file.name.endswith(".sql"))
    return [(folder / name).read_text() for name in named]


def version(session: Session, table: Table) -> int:
    """Of the table that is there; 0: there is none."""
    until = time.monotonic() + SILENCE_SECONDS
    relation = "SELECT to_regclass(format('%%I.%%I', %s::text, %s::text))"
    if session.rows(relation, [table.schema, f"{table.name}_version"], until)[0][0] is None:
        return 0
    newest = SQL("SELECT coalesce(max(version), 0) FROM {versions}").format(versions=versions_of(table))
    return int(session.rows(newest, [], until)[0][0])


def prepare(session: Session, table: Table, initialise: bool, known: Sequence[str] | None = None) -> None:
    """Bring the table to the newest version. `initialise` False: only look. Unreachable, psycopg.Error."""
    scripts = migrations() if known is None else known
    found = version(session, table)
    if found < len(scripts) and initialise:
        _migrate(session, table, scripts)
    elif found == 0:
        raise Unreachable(f"PostgreSQL has no table {table} yet: a server makes it when it starts, or see {_PAGE}")
    elif found > len(scripts):
        raise Unreachable(
            f"the table {table} has version {found}, and this openkes knows version {len(scripts)}: a newer one has "
            "changed it; upgrade this one"
        )
    _check_logged(session, table)


def _migrate(session: Session, table: Table, scripts: Sequence[str]) -> None:
    end = time.monotonic() + MIGRATE_SECONDS
    while time.monotonic() < end:
        try:
            with session.transaction(end):
                if _alone(session, table, end):
                    # Another server may have done it meanwhile.
                    _run(session, table, scripts, end)
                    return
        except psycopg.errors.InsufficientPrivilege as error:
            raise Unreachable(
                f"the table {table} is to be made or changed, and this role may not ({error.diag.message_primary}): "
                f"run the SQL of {_PAGE}, as its owner"
            ) from None
        time.sleep(_PAUSE_SECONDS)
    raise Unreachable(f"another server changes the table {table}, and is not done after {MIGRATE_SECONDS:.0f} s")


def _alone(session: Session, table: Table, until: float) -> bool:
    """Until the end of the transaction, wherever else somebody asks for the same."""
    lock = "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))"
    return bool(session.rows(lock, [f"openkes {table}"], until)[0][0])


def _run(session: Session, table: Table, scripts: Sequence[str], until: float) -> None:
    found = version(session, table)
    if found == 0:
        if session.rows("SELECT to_regnamespace(quote_ident(%s))", [table.schema], until)[0][0] is None:
            session.run(SQL("CREATE SCHEMA {schema}").format(schema=Identifier(table.schema)), until)
        session.run(
            SQL("CREATE TABLE {versions} (version integer PRIMARY KEY)").format(versions=versions_of(table)), until
        )
    for number, script in enumerate(scripts[found:], found + 1):
        session.run(SQL(script).format(keys=keys_of(table)), until)
        insert = SQL("INSERT INTO {versions} VALUES (%s)").format(versions=versions_of(table))
        session.change(insert, [number], until)


def _check_logged(session: Session, table: Table) -> None:
    query = "SELECT relpersistence::text FROM pg_class WHERE oid = to_regclass(format('%%I.%%I', %s::text, %s::text))"
    found = session.rows(query, [table.schema, table.name], time.monotonic() + SILENCE_SECONDS)
    if found != [("p",)]:
        raise Unreachable(
            f"the table {table} is unlogged or missing: PostgreSQL empties such a table after a crash; restore it from "
            "a backup, or ALTER TABLE … SET LOGGED"
        )
