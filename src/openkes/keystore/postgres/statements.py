"""The statements on the table of keys. Names and values are always parameters."""

from __future__ import annotations

from psycopg.sql import SQL, Composed

from openkes.keystore.postgres.schema import keys_of
from openkes.keystore.postgres.target import Table


class Statements:
    def __init__(self, table: Table) -> None:
        keys = keys_of(table)

        def on_keys(text: str) -> Composed:
            return SQL(text).format(keys=keys)

        self.read = on_keys("SELECT value, id, revision FROM {keys} WHERE name = %s")
        self.create = on_keys("INSERT INTO {keys} (name, value) VALUES (%s, %s) ON CONFLICT (name) DO NOTHING")
        self.replace = on_keys(
            "UPDATE {keys} SET value = %s, revision = revision + 1 WHERE name = %s AND id = %s AND revision = %s"
        )
        self.delete = on_keys("DELETE FROM {keys} WHERE name = %s AND id = %s")
        #: A change that changes nothing: when it is committed, so is all that came before, on the standby too. Reading
        #: would not do: a server that was stopped while it waited for its standby shows what the standby may not have.
        self.confirm = on_keys("UPDATE {keys} SET value = value WHERE name = %s AND value = %s")
        self._list = on_keys("SELECT name FROM {keys} WHERE name >= %s ORDER BY name LIMIT %s")
        self._list_below = on_keys("SELECT name FROM {keys} WHERE name >= %s AND name < %s ORDER BY name LIMIT %s")

    def list(self, prefix: str, start: str, limit: int) -> tuple[Composed, list[object]]:
        """Names from `start` on that begin with `prefix`, which is ASCII."""
        first = max(prefix, start)
        if not prefix:
            return self._list, [first, limit]
        return self._list_below, [first, prefix[:-1] + chr(ord(prefix[-1]) + 1), limit]
