"""One vendor's JSON API over HTTPS: how a call is authorised, and what its failures mean in the words of a key store.

Owns the authorisation header, one retry of what may be repeated, and the texts of `Unreachable`. Must not know what a
call does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from openkes.errors import OperatorError
from openkes.keystore import Unreachable
from openkes.keystore.http import Answer, Endpoints, MaybeDone

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
        said = f"{answer.status}{_message(answer.document, secret)}"
        if answer.status in (401, 403):
            raise Unreachable(f"{self.name}: permission refused ({said}): {need}")
        raise (Unreachable if repeatable or answer.status < 500 else MaybeDone)(
            f"{self.name}: {method} {path.partition('?')[0]} was answered with {said}"
        )

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
