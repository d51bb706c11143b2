"""What PostgreSQL says when it does not do what was asked: whether it may pass, and what an operator can do about it.

Told apart by SQLSTATE. Its messages are shown, its details never: they can hold values. Pure functions.
"""

from __future__ import annotations

from enum import Enum, auto

import psycopg


class Kind(Enum):
    """What follows from it."""

    LOST = auto()  # the connection; what was asked may have been done
    LATER = auto()  # nothing was done, and it may pass by itself
    REFUSED = auto()  # nothing was done, and an operator is needed


#: 25006: a standby, or one that has become one; 40001, 40P01: another transaction was in the way.
_LATER = {"25006", "40001", "40P01"}
_HINTS = {
    "25006": "every host is a standby: promote one, or add the one that takes writes to keystore.postgres.endpoint",
    "3F000": "make the schema: see docs/stores/postgres.md, Least permissions",
    "42P01": "the table is gone: restore it from a backup; it is not made anew under a running server",
    "53100": "free some space on its disk",
    "53300": "raise max_connections, or the connection limit of the role: a key server uses up to 8",
    "57014": "a transaction holds the table, the machine is overloaded, or no synchronous standby confirms: look at "
    "pg_stat_activity and pg_stat_replication",
}
#: Of what libpq says when it cannot connect, for which there is no SQLSTATE: what passes when a server starts or
#: another one takes over.
_PASSING = (
    *("refused", "No such file", "starting up", "shutting down", "terminating connection"),
    *("read-only", "recovery", "closed", "too many"),
)
_CONNECTION_HINTS = {
    "password authentication failed": "look at keystore.postgres.user and keystore.postgres.password",
    "no password supplied": "set keystore.postgres.password",
    "no pg_hba.conf entry": "let this host in there, with hostssl and scram-sha-256",
    "certificate verify failed": "keystore.postgres.tls.ca is not the authority of its certificate",
    "does not match host name": "its certificate needs the name that keystore.postgres.endpoint says",
    "does not support SSL": "set ssl = on there: keys would cross the network in the clear",
    "session is read-only": "it is a standby",
    "timeout": "is it up, and can this host reach it?",
    "refused": "is it up, and does listen_addresses name more than localhost?",
}


def kind_of(error: psycopg.Error) -> Kind:
    state = error.sqlstate
    if state is None or (state[:2] in ("08", "57") and state != "57014"):
        # Without a state it is libpq's own, unless it is a mistake of ours.
        return Kind.LOST if isinstance(error, psycopg.OperationalError) else Kind.REFUSED
    return Kind.LATER if state in _LATER else Kind.REFUSED


def text_of(error: psycopg.Error) -> str:
    """What it says, and what to do."""
    said = error.diag.message_primary or _first_line(error)
    hint = _HINTS.get(error.sqlstate or "")
    return f"{said}; {hint}" if hint else said


def connection_text(error: psycopg.Error) -> str:
    """Of one that was raised while connecting to one host."""
    said = _first_line(error)
    hint = next((hint for words, hint in _CONNECTION_HINTS.items() if words in str(error)), "")
    return f"{said}; {hint}" if hint else said


def passes(error: psycopg.Error) -> bool:
    """Whether a connection that could not be made may be made in a moment."""
    if error.sqlstate is not None:  # it was made, and lost with the first statement
        return kind_of(error) is not Kind.REFUSED
    return any(words in str(error) for words in _PASSING)


def _first_line(error: psycopg.Error) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    # Which host it was is said already: 'connection to server at "127.0.0.1", port 5432 failed: Connection refused'.
    return lines[0].rpartition("failed: ")[2].strip() or lines[0]
