"""Connections to whichever host takes writes, kept for the next call.

Owns how many there are, which host is tried first, and when one is not used any more. Must not know statements.
Not by psycopg-pool: see docs/adr/0010.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg.conninfo import make_conninfo

from openkes.errors import OperatorError
from openkes.keystore import Unreachable
from openkes.keystore.postgres import failures
from openkes.keystore.postgres.failures import Kind
from openkes.keystore.postgres.session import Session, Silent
from openkes.keystore.postgres.target import Host, Target

MOST = 8  # at a time; a call takes a millisecond
CONNECT_SECONDS = 3
_LEAST_CONNECT_SECONDS = 2  # libpq takes no less
_PAUSE_SECONDS = 0.1


class NotConnected(Unreachable):
    """`passes`: it may by itself, as when a server restarts."""

    def __init__(self, text: str, passes: bool) -> None:
        super().__init__(text)
        self.passes = passes


class Connections:
    """Thread-safe."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._first = 0
        self._idle: list[Session] = []
        self._lock = threading.Lock()  # of `_idle`
        self._free = threading.BoundedSemaphore(MOST)
        self._closed = threading.Event()

    @contextmanager
    def one(self, until: float) -> Iterator[Session]:
        """`until`: a time of the monotonic clock. Unreachable (NotConnected), and what the block raises."""
        if not self._free.acquire(timeout=max(0.0, until - time.monotonic())):
            raise NotConnected(f"PostgreSQL {self}: {MOST} calls wait for it already", passes=False)
        try:
            session = self._session(until)
            try:
                yield session
            except psycopg.Error as error:
                if failures.kind_of(error) is Kind.LOST:
                    self._lost(error)
                if failures.kind_of(error) is not Kind.REFUSED:
                    session.close()
                raise
            finally:
                self._keep(session)
        finally:
            self._free.release()

    def _session(self, until: float) -> Session:
        if self._closed.is_set():
            raise NotConnected(f"key store PostgreSQL {self}: it is closed", passes=False)
        while True:
            with self._lock:
                session = self._idle.pop() if self._idle else None
            if session is None:
                return self._connect(until)
            if session.is_usable:
                return session
            session.close()

    def _keep(self, session: Session) -> None:
        with self._lock:
            if session.is_usable and not self._closed.is_set():
                self._idle.append(session)
                return
        session.close()

    def _lost(self, error: psycopg.Error) -> None:
        """The others were to the same server."""
        if isinstance(error, Silent):
            self._first = (self._first + 1) % len(self._target.hosts)
        with self._lock:
            idle, self._idle = self._idle, []
        for session in idle:
            session.close()

    def _connect(self, until: float) -> Session:
        reasons: list[str] = []
        passes = False
        first = self._first
        password = self._password()
        for i in range(len(self._target.hosts)):
            at = (first + i) % len(self._target.hosts)
            host = self._target.hosts[at]
            if reasons and time.monotonic() >= until:
                break
            try:
                session = self._reached(host, password, until)
            except psycopg.Error as error:
                reasons.append(f"{host}: {failures.connection_text(error)}")
                passes |= failures.passes(error)
                continue
            self._first = at
            return session
        raise NotConnected("PostgreSQL " + "; ".join(reasons), passes)

    def _reached(self, host: Host, password: str | None, until: float) -> Session:
        seconds = max(_LEAST_CONNECT_SECONDS, min(CONNECT_SECONDS, int(until - time.monotonic())))
        parameters = make_conninfo("", **self._target.parameters(host), connect_timeout=seconds)
        # Statements are not prepared: poolers, and migrations under a running server, would not bear it.
        connection = psycopg.connect(parameters, password=password, autocommit=True, prepare_threshold=None)
        return Session(connection, str(host))

    def _password(self) -> str | None:
        try:
            return self._target.password() if self._target.password else None
        except OperatorError as error:
            raise NotConnected(f"PostgreSQL {self}: {error}; {error.hint}", passes=False) from None

    def pause(self, until: float) -> bool:
        """Wait for a moment. False: it is `until` already, or closed."""
        return time.monotonic() < until and not self._closed.wait(_PAUSE_SECONDS)

    def close(self) -> None:
        """Calls after it raise Unreachable."""
        self._closed.set()
        with self._lock:
            idle, self._idle = self._idle, []
        for session in idle:
            session.close()

    def __str__(self) -> str:
        return ", ".join(map(str, self._target.hosts))
