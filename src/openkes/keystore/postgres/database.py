"""A call of the database: attempts until one is answered, and what is said when none is.

Owns which failures pass by themselves and how long that is waited for. Must not know what a call does.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import TypeVar

import psycopg

from openkes.keystore import Unreachable
from openkes.keystore.postgres import failures, grants
from openkes.keystore.postgres.connections import Connections, NotConnected
from openkes.keystore.postgres.failures import Kind
from openkes.keystore.postgres.session import Session
from openkes.keystore.postgres.target import Table, Target

_T = TypeVar("_T")
LIMIT_SECONDS = 9.0  # of one call, all attempts together; below the 15 s that a request has
#: How long a server may be away without a call failing: one that restarts takes about a second.
RESTART_SECONDS = 2.0
#: `attempt(session, until, maybe_done)`, made so that it takes effect once, whatever became of the one before it, of
#: which nobody knows when `maybe_done`.
Attempt = Callable[[Session, float, bool], _T]


class Database:
    """Thread-safe."""

    def __init__(self, target: Target, table: Table) -> None:
        self._table = table
        self._connections = Connections(target)

    def call(self, attempt: Attempt[_T]) -> _T:
        """Unreachable, and what `attempt` raises."""
        until = time.monotonic() + LIMIT_SECONDS
        patience = time.monotonic() + RESTART_SECONDS
        maybe_done = False
        while True:
            try:
                with self._connections.one(until) as session:
                    return attempt(session, until, maybe_done)
            except NotConnected as error:
                passes, failed = error.passes and time.monotonic() < patience, Unreachable(str(error))
            except psycopg.Error as error:
                kind = failures.kind_of(error)
                if kind is Kind.LOST:
                    maybe_done = True
                    # It may be back in a moment, or another one in its place.
                    patience = time.monotonic() + RESTART_SECONDS
                passes, failed = kind is not Kind.REFUSED, self._unreachable(error)
            if not passes or not self._connections.pause(until):
                raise failed

    def close(self) -> None:
        """Calls after it raise Unreachable."""
        self._connections.close()

    def _unreachable(self, error: psycopg.Error) -> Unreachable:
        said = failures.text_of(error)
        if isinstance(error, psycopg.errors.InsufficientPrivilege):
            until = time.monotonic() + LIMIT_SECONDS
            with contextlib.suppress(psycopg.Error, Unreachable), self._connections.one(until) as session:
                said = grants.missing(session, self._table) or said
        return Unreachable(f"PostgreSQL {self._connections}: {said}")
