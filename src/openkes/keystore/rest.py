"""One vendor's JSON API over HTTPS: how a call is authorised, and what its failures mean in the words of a key store.

Owns the authorisation header, one retry of what may be repeated, and the texts of `Unreachable`. Must not know what a
call does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from openkes.errors import OperatorError
from openkes.keystore import Unreachable
from openkes.keystore.http import Answer, Endpoints, MaybeDone
from openkes.keystore.login import Login

LOGIN_SECONDS = 5.0  # a call that has to log in first must still end in time
_MESSAGE = 200  # characters of a server's own words; what is longer is a page for browsers
#: Where servers put their words, in this order.
_MESSAGES = ("message", "codeDesc", "error", "detail", "text")


class Authority(Protocol):
    """How calls are authorised."""

    def headers(self) -> Mapping[str, str]:
        """Of the next call. Unreachable."""

    def refused(self, headers: Mapping[str, str]) -> bool:
        """The server did not take these; whether there are newer ones now. Unreachable."""


class Rest:
    """Thread-safe. `name` is what errors begin with."""

    def __init__(self, name: str, endpoints: Endpoints, authority: Authority) -> None:
        self.name = name
        self._endpoints = endpoints
        self._authority = authority

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        need: str,
        until: float,
        answers: tuple[int, ...] = (),
        repeatable: bool = False,
        secret: str = "",
    ) -> Answer:
        """An answer with status 2xx or one of `answers`. `need`: the permission that the call needs. `secret`: part of
        the body that must not come back in an error. Unreachable; MaybeDone if the server may have done it."""
        answer = self._send(method, path, body, until, repeatable)
        if 200 <= answer.status < 300 or answer.status in answers:
            return answer
        said = self.said(answer, secret)
        if answer.status in (401, 403):
            raise Unreachable(f"{self.name}: permission refused ({said}): {need}")
        raise (Unreachable if repeatable or answer.status < 500 else MaybeDone)(
            f"{self.name}: {method} {path.partition('?')[0]} was answered with {said}"
        )

    def said(self, answer: Answer, secret: str = "") -> str:
        """`STATUS: the server's words`, without `secret`."""
        return f"{answer.status}{_message(answer.document, secret)}"

    def _send(self, method: str, path: str, body: Any, until: float, repeatable: bool) -> Answer:
        headers = self._authority.headers()
        answer = self._once(method, path, body, headers, until, repeatable)
        if answer.status == 401 and self._authority.refused(headers):
            answer = self._once(method, path, body, self._authority.headers(), until, repeatable)
        return answer

    def _once(
        self, method: str, path: str, body: Any, headers: Mapping[str, str], until: float, repeatable: bool
    ) -> Answer:
        try:
            return self._endpoints.call(method, path, body, headers, until=until)
        except MaybeDone as error:
            # Mostly a connection that the server had closed when it was idle.
            if not repeatable:
                raise MaybeDone(f"{self.name}: {error}") from error
        except Unreachable as error:
            raise Unreachable(f"{self.name}: {error}") from error
        try:
            return self._endpoints.call(method, path, body, headers, until=until)
        except Unreachable as error:
            raise Unreachable(f"{self.name}: {error}") from error

    def close(self) -> None:
        self._endpoints.close()


def _message(document: Any, secret: str) -> str:
    """The server's words, `: …`, or nothing."""
    found = document if isinstance(document, str) else ""
    if isinstance(document, dict):
        found = next((document[key] for key in _MESSAGES if isinstance(document.get(key), str)), "")
    text = " ".join(found.split())[:_MESSAGE]
    # A server that quotes what it could not take would put a key into our log.
    if not text or (secret and secret[:8] in text):
        return ""
    return f": {text}"


def credential(read: Callable[[], str]) -> str:
    """What `read` gives. Unreachable says why it cannot be had."""
    try:
        return read()
    except OperatorError as error:
        raise Unreachable(f"{error}{'; ' if error.hint else ''}{error.hint}") from error


class Bearer:
    """Implements `Authority` by the token of a login, in `header` after `prefix`."""

    def __init__(self, login: Login, header: str, prefix: str = "") -> None:
        self._login = login
        self._header = header
        self._prefix = prefix

    def headers(self) -> Mapping[str, str]:
        return {self._header: self._prefix + self._login.token()}

    def refused(self, headers: Mapping[str, str]) -> bool:
        self._login.refused(headers[self._header].removeprefix(self._prefix))
        return True


def log_in(name: str, endpoints: Endpoints, path: str, body: Any, hint: str) -> Answer:
    """The answer to a login that was taken. `hint`: what to do when it was not. Unreachable."""
    try:
        answer = endpoints.call("POST", path, body, until=time.monotonic() + LOGIN_SECONDS)
    except Unreachable as error:
        raise Unreachable(f"{name}: {error}") from error
    if 200 <= answer.status < 300:
        return answer
    if answer.status < 500:
        # Nothing of what the server says: it may quote what it was sent.
        raise Unreachable(f"{name}: the login was refused ({answer.status}): {hint}")
    raise Unreachable(f"{name}: the login was answered with {answer.status}")
