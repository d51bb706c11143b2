"""A token for every call: logged in, renewed at half of its life by one loop, made anew when it is refused.

Owns when to log in. One at a time, and whoever waited for a login that failed shares the failure. The loop also looks
for the active node. Must not know what the token is used for.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import threading
import time
from collections.abc import Mapping

from openkes.errors import OperatorError
from openkes.keystore import LoginRefused, Unreachable
from openkes.keystore.http import Answer
from openkes.keystore.vault.login import Login
from openkes.keystore.vault.nodes import Nodes, said
from openkes.keystore.vault.token import Token, token_of

_log = logging.getLogger(__name__)
PING_SECONDS = 10.0
#: Between two logins with the same credentials that were refused: five within 15 minutes lock the role for everybody.
REFUSED_SECONDS = 300.0
_RENEW_SECONDS = 5.0  # for one renewal, or one login of the loop
_REVOKE_SECONDS = 2.0
_LEAST_PAUSE = 0.2
#: A renewal that gives less than this part of the first life meets the token's last end: time for a new one.
_LEAST_LIFE = 0.5
INDEX = "X-Vault-Index"


class Session:
    """Thread-safe. `ping` in seconds: between two looks for the active node."""

    def __init__(self, nodes: Nodes, login: Login, ping: float = PING_SECONDS) -> None:
        self._nodes = nodes
        self._login = login
        self._ping = ping
        self._turn = threading.Lock()
        self._token: Token | None = None
        self._life = 0.0  # seconds that the last login gave
        self._failed = ("", 0.0)  # why the last login failed, and when it began
        self._refused = (b"", 0.0)  # credentials that were refused, and until when they are not tried again
        self._has_active = True
        self._closed = threading.Event()
        self._changed = threading.Event()
        self._loop = threading.Thread(target=self._keep, name="vault-token", daemon=True)

    def start(self, until: float) -> None:
        """Log in, and keep the token from now on. Unreachable."""
        self._look()
        self.token(until)
        self._loop.start()

    def token(self, until: float) -> Token:
        """From memory unless it has ended. `until`: a time of the monotonic clock. Unreachable."""
        token = self._token
        if token is not None and token.left() > 0:
            return token
        return self._another(token, until)

    def after(self, refused: Token, until: float) -> Token | None:
        """Another token than `refused`, which did not do for a call; None if it is good, so that the permission is
        missing. Unreachable."""
        token = self._token
        if token is not None and token.secret == refused.secret and self._is_known(token, until):
            return None
        return self._another(refused, until)

    def expires_in(self) -> float | None:
        """Seconds; None for a token that does not end, and before the first login."""
        token = self._token
        return None if token is None or token.seconds == float("inf") else token.left()

    def close(self) -> None:
        """The token is given back, if that takes but a moment."""
        self._closed.set()
        self._changed.set()
        token, self._token = self._token, None
        if token is not None:
            with contextlib.suppress(Unreachable):
                self._own(token, "POST", "revoke-self", time.monotonic() + _REVOKE_SECONDS)

    # Logging in

    def _another(self, than: Token | None, until: float) -> Token:
        arrived = time.monotonic()
        if not self._turn.acquire(timeout=max(0.0, until - arrived)):
            raise Unreachable(f"{self._nodes}: no token in time: logging in takes too long")
        try:
            token = self._token
            if token is not None and (than is None or token.secret != than.secret) and token.left() > 0:
                return token
            why, begun = self._failed
            if why and begun >= arrived:
                raise Unreachable(why)
            return self._log_in(until)
        finally:
            self._turn.release()

    def _log_in(self, until: float) -> Token:
        """In the caller's turn."""
        if self._closed.is_set():
            raise Unreachable("the key store is closed")
        begun = time.monotonic()
        try:
            answer = self._ask_login(until)
            token = token_of(answer.document, begun, answer.header.get(INDEX, ""))
            if token is None:
                raise Unreachable(f"{self._nodes}: the login gave no token ({said(answer)}); {self._login.hint}")
        except Unreachable as error:
            self._failed = (str(error), begun)
            raise
        self._token, self._life, self._failed = token, token.seconds, ("", 0.0)
        self._changed.set()
        return token

    def _ask_login(self, until: float) -> Answer:
        try:
            body = self._login.body()
        except OperatorError as error:
            raise Unreachable(f"{error}; {error.hint}") from None
        digest = hashlib.sha256(json.dumps(body).encode()).digest()
        refused, pause_ends = self._refused
        if digest == refused and time.monotonic() < pause_ends:
            raise LoginRefused(
                f"{self._nodes}: the login was refused, and the same is not tried again for "
                f"{REFUSED_SECONDS:g} s; {self._login.hint}"
            )
        path = f"/v1/auth/{self._login.path}/login"
        headers = headers_of(self._login.namespace)
        answer = self._nodes.ask("POST", path, body, headers, until, repeatable=True)
        if answer.status >= 400:
            if self._login.locks and answer.status in (400, 403):
                self._refused = (digest, time.monotonic() + REFUSED_SECONDS)
            kind = LoginRefused if self._login.locks and answer.status in (400, 403) else Unreachable
            raise kind(
                f"{self._nodes}: the login at auth/{self._login.path} is refused ({said(answer)}); {self._login.hint}"
            )
        return answer

    def _is_known(self, token: Token, until: float) -> bool:
        return self._own(token, "GET", "lookup-self", until).status == 200

    def _own(self, token: Token, method: str, what: str, until: float) -> Answer:
        """A call about the token itself, where it was made."""
        headers = headers_of(self._login.namespace, token.secret, token.index)
        return self._nodes.ask(method, f"/v1/auth/token/{what}", None, headers, until, repeatable=True)

    # The loop

    def _keep(self) -> None:
        next_look = time.monotonic() + self._ping
        due = self._due()
        while True:
            self._changed.wait(max(0.0, min(due, next_look) - time.monotonic()))
            if self._closed.is_set():
                return
            if self._changed.is_set():
                # Somebody logged in: there is another token to look after.
                self._changed.clear()
                due = self._due()
                continue
            if time.monotonic() >= next_look:
                self._look()
                next_look = time.monotonic() + self._ping
            if time.monotonic() >= due:
                due = self._due() if self._renew_or_say() else time.monotonic() + self._pause()

    def _due(self) -> float:
        token = self._token
        return time.monotonic() if token is None else token.due

    def _pause(self) -> float:
        """After a renewal that failed: the sooner the shorter the rest of the token's life."""
        left = 0.0 if self._token is None else self._token.left()
        return min(self._login.retry, max(_LEAST_PAUSE, left / 4)) if left > 0 else self._login.retry

    def _look(self) -> None:
        found = self._nodes.find_active()
        if self._has_active and not found:
            _log.warning(
                "%s: no node says that it is the active one; a standby of OpenBao may answer from old data: name every "
                "node in keystore.vault.endpoint, or set disable_standby_reads = true there", self._nodes
            )  # fmt: skip
        self._has_active = found

    def _renew_or_say(self) -> bool:
        try:
            self._renew()
        except Unreachable as error:
            if not self._closed.is_set():
                _log.warning("the token of the key store cannot be renewed: %s", error)
            return False
        except Exception:  # a defect here must not end the loop
            _log.exception("the token of the key store cannot be renewed")
            return False
        return True

    def _renew(self) -> None:
        until = time.monotonic() + _RENEW_SECONDS
        token = self._token
        if token is not None and token.renewable and token.left() > 0:
            begun = time.monotonic()
            answer = self._own(token, "POST", "renew-self", until)
            renewed = token_of(answer.document, begun, answer.header.get(INDEX) or token.index)
            if renewed is not None and renewed.seconds >= self._life * _LEAST_LIFE:
                with self._turn:
                    if self._token is token:
                        self._token = renewed
                return
        self._another(token, until)


def headers_of(namespace: str, token: str = "", index: str = "") -> Mapping[str, str]:
    """`index`: a state of the cluster that the answering node must have seen."""
    headers = {"X-Vault-Request": "true"}
    if namespace:
        headers["X-Vault-Namespace"] = namespace
    if token:
        headers["X-Vault-Token"] = token
    if index:
        headers |= {INDEX: index, "X-Vault-Inconsistent": "forward-active-node"}
    return headers
