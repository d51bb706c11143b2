"""Whether there is a table of keys, and whether it could be made. Makes nothing."""

from __future__ import annotations

from contextlib import closing

from openkes.keystore.postgres import schema
from openkes.keystore.postgres.database import Database
from openkes.keystore.postgres.session import Session
from openkes.keystore.postgres.target import Table, Target

_MAY = """
SELECT CASE WHEN n.oid IS NULL THEN has_database_privilege(current_database(), 'CREATE')
            ELSE has_schema_privilege(n.oid, 'CREATE') AND has_schema_privilege(n.oid, 'USAGE') END
FROM (VALUES (1)) one LEFT JOIN pg_namespace n ON n.nspname = %s
"""


def is_absent(target: Target, table: Table) -> bool:
    """Unreachable."""
    with closing(Database(target, table)) as database:
        return database.call(lambda session, until, maybe_done: schema.version(session, table) == 0)


def may_make(target: Target, table: Table) -> bool:
    """Unreachable."""

    def attempt(session: Session, until: float, maybe_done: bool) -> bool:
        return bool(session.rows(_MAY, [table.schema], until)[0][0])

    with closing(Database(target, table)) as database:
        return database.call(attempt)
