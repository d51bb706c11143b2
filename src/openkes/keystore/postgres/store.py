"""The key store in PostgreSQL: one table, a row per entry, every call one statement or two.

Owns which statement is which call, and what follows when nobody knows whether one took effect. Must not know hosts,
connections, or what a failure means (`database` does).
"""

from __future__ import annotations

import time

from openkes import names
from openkes.keystore import KeyExists, KeyNotFound, Page, Status, Unreachable
from openkes.keystore.postgres import schema
from openkes.keystore.postgres.database import Database
from openkes.keystore.postgres.session import Session
from openkes.keystore.postgres.statements import Statements
from openkes.keystore.postgres.target import Table, Target


class PostgresStore:
    """Implements `KeyStore`."""

    def __init__(self, target: Target, table: Table, initialise: bool = True) -> None:
        """Makes or migrates the table, if it may and `initialise` says so. Unreachable: nobody answers, the login is no
        good, or the table is not as it must be."""
        self._sql = Statements(table)
        self._database = Database(target, table)
        try:
            self._database.call(lambda session, until, _: schema.prepare(session, table, initialise))
        except Unreachable:
            self.close()
            raise

    def create(self, name: str, value: bytes) -> None:
        self._check(name)

        def attempt(session: Session, until: float, maybe_done: bool) -> None:
            # Its value is nobody else's, unless two are told to store the same at the same time.
            mine = (self._sql.confirm, [name, value], until)
            if maybe_done and session.change(*mine):
                return
            # The first attempt may still be under way at the server: then this one waits for it.
            if not session.change(self._sql.create, [name, value], until) and not (
                maybe_done and session.change(*mine)
            ):
                raise KeyExists(name)

        self._database.call(attempt)

    def get(self, name: str) -> bytes:
        self._check(name)
        return self._database.call(lambda session, until, _: self._row(session, name, until)[0])

    def replace(self, name: str, old: bytes, new: bytes) -> None:
        self._check(name)
        seen: list[tuple[int, int]] = []  # entry and revision that are replaced, and no others

        def attempt(session: Session, until: float, maybe_done: bool) -> None:
            if not seen:
                value, entry, revision = self._row(session, name, until)
                if value != old:
                    raise KeyExists(name)
                seen.append((entry, revision))
            if session.change(self._sql.replace, [new, name, *seen[0]], until):
                return
            if not (maybe_done and session.change(self._sql.confirm, [name, new], until)):
                self._row(session, name, until)
                raise KeyExists(name)

        self._database.call(attempt)

    def delete(self, name: str) -> None:
        self._check(name)
        seen: list[int] = []  # the entry that is deleted, and no other

        def attempt(session: Session, until: float, maybe_done: bool) -> None:
            if not seen:
                seen.append(self._row(session, name, until)[1])
            if not session.change(self._sql.delete, [name, seen[0]], until) and not maybe_done:
                raise KeyNotFound(name)

        self._database.call(attempt)

    def list(self, prefix: str, limit: int, start: str = "") -> Page:
        if start > prefix and not start.startswith(prefix):
            return Page([], "")
        query, values = self._sql.list(prefix, start, limit + 1)
        rows = self._database.call(lambda session, until, _: session.rows(query, values, until))
        found = [str(row[0]) for row in rows]
        # What somebody else put there under a name that is none is not shown.
        return Page(
            [name for name in found[:limit] if names.is_valid(name)], found[limit] if len(found) > limit else ""
        )

    def status(self) -> Status:
        begin = time.perf_counter()
        self._database.call(lambda session, until, _: session.rows(self._sql.read, ["_"], until))
        return Status(time.perf_counter() - begin)

    def close(self) -> None:
        self._database.close()

    def _row(self, session: Session, name: str, until: float) -> tuple[bytes, int, int]:
        """Value, entry and revision."""
        for value, entry, revision in session.rows(self._sql.read, [name], until):
            return bytes(value), entry, revision
        raise KeyNotFound(name)

    @staticmethod
    def _check(name: str) -> None:
        if not names.is_valid(name):
            raise KeyNotFound(name)
