"""One call of etcd's JSON gateway: login, the members that are tried, and the time that is waited for a leader.

Owns what an answer other than 200 means (`failures`) and which of them pass by themselves. Must not know key stores.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from openkes.errors import OperatorError
from openkes.keystore import Unreachable
from openkes.keystore.etcd.failures import Failure, Kind, failure
from openkes.keystore.etcd.login import Login
from openkes.keystore.etcd.messages import AUTHENTICATE
from openkes.keystore.http import Answer, ClientTLS, Endpoints, MaybeDone

ALONE_SECONDS = 8.0  # etcd gives up by itself after 7 s, and says why
MEMBER_SECONDS = 2.0  # of one among several: another one is asked rather
#: How long a cluster may be without a leader: it elects one in 1 to 2 s, and without a majority it never does.
ELECTION_SECONDS = 4.0
_PAUSE_SECONDS = 0.1
_LOGINS = 2  # a token may expire between two answers; one that is new and refused again is no good
_HEADERS = {"Grpc-Metadata-hasleader": "true"}  # a member that knows no leader says so at once


class Gateway:
    """Thread-safe. `prefix` is for people."""

    def __init__(self, endpoints: tuple[str, ...], prefix: str, tls: ClientTLS, login: Login | None) -> None:
        """Unreachable when a TLS file is no good."""
        seconds = ALONE_SECONDS if len(endpoints) == 1 else MEMBER_SECONDS
        self._endpoints = Endpoints(endpoints, tls, seconds)
        self._prefix = prefix
        self._login = login
        # A member that wants one may just hang up, before its reason is read.
        wants = tls.cert is None and endpoints[0].startswith("https:")
        self._doubt = "is it up, and can this host reach it" + (", without a client certificate?" if wants else "?")
        self._closed = threading.Event()

    def call(self, path: str, message: object, until: float, *, repeatable: bool = True) -> dict[str, Any]:
        """The answer. `until`: a time of the monotonic clock. `repeatable`: reads, which are asked of every member.
        Unreachable (MaybeDone)."""
        patience = min(until, time.monotonic() + ELECTION_SECONDS)
        logins = 0
        while True:
            token = self._token(until)
            headers = {**_HEADERS, "Authorization": token} if token else _HEADERS
            try:
                answer = self._ask(path, message, headers, until, repeatable)
            except MaybeDone:
                # A cluster restored from a snapshot never answers to a token that it gave before: it waits for the
                # revision at which it did.
                self._forget(token)
                raise
            if answer.status == 200:
                return dict(answer.document)
            failed = failure(answer)
            if failed.kind is Kind.LOGIN and self._login is not None and logins < _LOGINS:
                self._forget(token)
                logins += 1
            elif failed.kind is Kind.UNKNOWN and not repeatable:
                self._endpoints.pass_on()
                raise MaybeDone(self._text(failed))
            elif failed.kind in (Kind.UNKNOWN, Kind.LATER) and self.pause(patience):
                self._endpoints.pass_on()
            else:
                raise Unreachable(self._text(failed))

    def _token(self, until: float) -> str:
        if self._login is None:
            return ""
        try:
            return self._login.token(lambda user, password: self._authenticate(user, password, until), until)
        except OperatorError as error:
            raise Unreachable(f"etcd {self}: {error}; {error.hint}") from None

    def _forget(self, token: str) -> None:
        if self._login is not None:
            self._login.forget(token)

    def _authenticate(self, user: str, password: str, until: float) -> str:
        patience = min(until, time.monotonic() + ELECTION_SECONDS)
        message = {"name": user, "password": password}
        while True:
            answer = self._ask(AUTHENTICATE, message, _HEADERS, until, repeatable=True)
            if answer.status == 200:
                return str(answer.document["token"])
            failed = failure(answer)
            if failed.kind not in (Kind.UNKNOWN, Kind.LATER) or not self.pause(patience):
                raise Unreachable(self._text(failed))
            self._endpoints.pass_on()

    def _ask(self, path: str, message: object, headers: dict[str, str], until: float, repeatable: bool) -> Answer:
        try:
            return self._endpoints.call("POST", path, message, headers, repeatable=repeatable, until=until)
        except Unreachable as error:
            raise type(error)(f"etcd: {error}; {self._doubt}") from None

    def pause(self, until: float) -> bool:
        """Wait for a moment. False: it is `until` already, or closed."""
        return time.monotonic() < until and not self._closed.wait(_PAUSE_SECONDS)

    def close(self) -> None:
        """Calls after it raise Unreachable."""
        self._closed.set()
        self._endpoints.close()

    def _text(self, failed: Failure) -> str:
        user = self._login.user if self._login else "USER"
        return f"etcd {self}: " + failed.text.format(user=user, prefix=self._prefix)

    def __str__(self) -> str:
        return str(self._endpoints)
