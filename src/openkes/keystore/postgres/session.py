"""One connection as it is used here: its start makes commits durable, and no statement is waited for without end.

The time limit is kept by shutting the socket: a server that hangs answers no request to cancel either. Must not know
tables.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, LiteralString

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.sql import Composed

from openkes.keystore import Unreachable

STATEMENT_SECONDS = 3.0  # the server itself gives up, and says so: a lock, a full machine
SILENCE_SECONDS = 4.0  # it does not even say so
_LEAST_SECONDS = 0.05
#: What a session is told before anything else. Names are looked up among PostgreSQL's own only. A commit is on the
#: disk, and on the synchronous standby's if there is one, whatever the server's default is.
_START: LiteralString = """
SELECT set_config('search_path', 'pg_catalog', false),
       set_config('statement_timeout', %s, false),
       set_config('idle_in_transaction_session_timeout', %s, false),
       set_config('default_transaction_isolation', 'read committed', false),
       set_config('synchronous_commit', CASE current_setting('synchronous_commit')
                  WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false),
       current_setting('fsync')
"""
Query = Composed | LiteralString


class Unconfirmed(psycopg.OperationalError):
    """The change was made, and its standby has not confirmed it: a failover could lose it."""


class Silent(psycopg.OperationalError):
    """No answer in time."""


class Session:
    """Of one thread at a time. Every call raises psycopg.Error."""

    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]], host: str) -> None:
        """It is closed with the session, or when there is none. Unreachable: its server cannot keep keys."""
        self._connection = connection
        # A descriptor of our own: libpq may close its one at any moment, and the number be another file's.
        self._socket = socket.socket(fileno=os.dup(connection.fileno()))
        self._warning = ""
        connection.add_notice_handler(self._notice)
        try:
            self._start(host)
        except BaseException:
            self.close()
            raise

    def _start(self, host: str) -> None:
        milliseconds = str(int(STATEMENT_SECONDS * 1000))
        started = self.rows(_START, [milliseconds, milliseconds], time.monotonic() + SILENCE_SECONDS)
        if started[0][-1] != "on":
            raise Unreachable(
                f"PostgreSQL {host} runs with fsync = off, and a power cut takes keys that it has acknowledged: "
                "set fsync = on"
            )

    def rows(self, query: Query, values: Sequence[object], until: float) -> list[tuple[Any, ...]]:
        with self._limited(until):
            return self._connection.execute(query, values, binary=True).fetchall()

    def change(self, query: Query, values: Sequence[object], until: float) -> int:
        """How many rows; durable on return. Unconfirmed."""
        self._warning = ""
        with self._limited(until):
            count = self._connection.execute(query, values, binary=True).rowcount
        if self._warning:
            raise Unconfirmed(f"{self._warning}: no synchronous standby confirms; look at pg_stat_replication")
        return count

    def run(self, script: Composed, until: float) -> None:
        """Several statements, which return nothing."""
        with self._limited(until):
            self._connection.execute(script)

    @contextmanager
    def transaction(self, until: float) -> Iterator[None]:
        with self._limited(until, until - time.monotonic()), self._connection.transaction():
            yield

    def _notice(self, notice: psycopg.errors.Diagnostic) -> None:
        # Words are in the server's language. What is warned of at a commit is that nobody waits for the standby.
        if notice.severity_nonlocalized == "WARNING":
            self._warning = f"{notice.message_primary}"

    @property
    def is_usable(self) -> bool:
        """For another call: in no transaction, and the server has not hung up meanwhile."""
        if self._connection.closed or self._connection.info.transaction_status is not TransactionStatus.IDLE:
            return False
        poll = select.poll()
        poll.register(self._connection.fileno(), select.POLLIN)
        return not poll.poll(0)

    def close(self) -> None:
        self._connection.close()
        self._socket.close()

    @contextmanager
    def _limited(self, until: float, most: float | None = None) -> Iterator[None]:
        """Silent when the block takes longer than `most` (SILENCE_SECONDS), or is not done `until` then."""
        most = SILENCE_SECONDS if most is None else most
        seconds = max(_LEAST_SECONDS, min(most, until - time.monotonic()))
        lock = threading.Lock()
        running, cut = True, False

        def shut() -> None:
            nonlocal cut
            with lock, contextlib.suppress(OSError):
                if running:
                    cut = True
                    self._socket.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(seconds, shut)
        timer.daemon = True
        timer.start()
        try:
            yield
        except psycopg.Error:
            if cut:
                raise Silent(
                    f"no answer within {seconds:.1f} s: it hangs, or no synchronous standby confirms; look at "
                    "pg_stat_activity and pg_stat_replication"
                ) from None
            raise
        finally:
            timer.cancel()
            with lock:
                running = False
