"""Which permissions a role lacks, in the words that give them. Asked when one was refused."""

from __future__ import annotations

import time

from openkes.keystore.postgres.session import SILENCE_SECONDS, Session
from openkes.keystore.postgres.target import Table

_NEEDED = ("SELECT", "INSERT", "UPDATE", "DELETE")
_HELD = """
SELECT current_user::text, has_schema_privilege(n.oid, 'USAGE'),
       has_table_privilege(k.oid, 'SELECT'), has_table_privilege(k.oid, 'INSERT'),
       has_table_privilege(k.oid, 'UPDATE'), has_table_privilege(k.oid, 'DELETE'),
       has_table_privilege(v.oid, 'SELECT')
FROM pg_namespace n
JOIN pg_class k ON k.relnamespace = n.oid AND k.relname = %s
JOIN pg_class v ON v.relnamespace = n.oid AND v.relname = %s
WHERE n.nspname = %s
"""


def missing(session: Session, table: Table) -> str:
    """ "" when nothing is, or there is no such table. psycopg.Error."""
    values = [table.name, f"{table.name}_version", table.schema]
    for role, schema, *held in session.rows(_HELD, values, time.monotonic() + SILENCE_SECONDS):
        wanted = [] if schema else [f"GRANT USAGE ON SCHEMA {table.schema} TO {role}"]
        lacking = [name for name, has in zip(_NEEDED, held, strict=False) if not has]
        if lacking:
            wanted.append(f"GRANT {', '.join(lacking)} ON {table} TO {role}")
        if not held[-1]:
            wanted.append(f"GRANT SELECT ON {table}_version TO {role}")
        if wanted:
            return f"permission refused for role {role}: as the owner of the table, run: {'; '.join(wanted)}"
    return ""
