"""One call with a token: what it may do, what it must have seen, and what its refusal means to an operator.

Owns the texts for a missing permission, mount or namespace, and that a call sees what was written before it, whichever
node answers. Must not know key stores.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

from openkes.keystore import Unreachable
from openkes.keystore.http import Answer, ClientTLS
from openkes.keystore.vault.login import Login
from openkes.keystore.vault.nodes import Nodes, said
from openkes.keystore.vault.session import INDEX, PING_SECONDS, Session, headers_of
from openkes.keystore.vault.token import Token

_REMEMBERED = 1024  # names whose last write is known; a write is read back at once or not at all
_TOKENS = 3  # for one call; short-lived ones can end between two answers
_OTHER_VERSION = "Invalid path for a versioned K/V secrets engine"


class Client:
    """Thread-safe. `namespace`: of the data, "" for the root."""

    def __init__(
        self, urls: tuple[str, ...], tls: ClientTLS, login: Login, namespace: str = "", ping: float = PING_SECONDS
    ) -> None:
        """Unreachable when a TLS file is no good."""
        self._nodes = Nodes(urls, tls)
        self._namespace = namespace
        self._session = Session(self._nodes, login, ping)
        self._lock = threading.Lock()
        self._written: dict[str, tuple[str, float]] = {}  # by key: the state after its last write, and when it came
        self._clock = (time.time(), time.monotonic())

    def start(self, until: float) -> None:
        """Log in. Unreachable."""
        self._session.start(until)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        need: str,
        until: float,
        key: str = "",
        repeatable: bool | None = None,
        answers: tuple[int, ...] = (),
    ) -> Answer:
        """An answer with status 2xx or one of `answers`. `path` is unquoted. `need`: the permission it takes, like
        `read on kv/x`. `key`: whose writes it has to see, all when there is none. `repeatable`: a GET, if not said.
        Unreachable (MaybeDone)."""
        can_repeat = method == "GET" if repeatable is None else repeatable
        token: Token | None = self._session.token(until)
        for _ in range(_TOKENS):
            if token is None:
                break
            answer = self._send(method, path, body, token, key, until, can_repeat)
            if answer.status != 403:
                break
            # Nothing was done. A token that has ended is replaced, one that is good has not the permission.
            token = self._session.after(token, until)
        if 200 <= answer.status < 300:
            if method != "GET":
                self._wrote(key, answer)
            return answer
        trouble = self._trouble(answer, need)
        if answer.status in answers and not trouble:
            return answer
        raise Unreachable(f"{self._nodes}: {trouble or f'{method} {path}: {said(answer)}'}")

    def _send(
        self, method: str, path: str, body: Any, token: Token, key: str, until: float, repeatable: bool
    ) -> Answer:
        headers = headers_of(self._namespace, token.secret, self._state(key, token))
        where, _, query = path.partition("?")
        answer = self._nodes.ask(
            method, f"/v1/{quote(where)}{'?' if query else ''}{query}", body, headers, until, repeatable=repeatable
        )
        self._set_clock(answer)
        return answer

    def _trouble(self, answer: Answer, need: str) -> str:
        """What an operator has to mend before any such call can work."""
        text = said(answer)
        inside = f" in namespace {self._namespace}" if self._namespace else ""
        if answer.status == 403:
            return f"permission refused: the policy of this login needs {need}{inside}"
        if "no handler for route" in text:
            return f"nothing is mounted there{inside} ({text}): enable the engine, or mend its name in keystore.vault"
        if "namespace not found" in text:
            return f"there is no namespace {self._namespace}: make it, or mend keystore.vault.namespace"
        if _OTHER_VERSION in text:
            return "the KV engine is of version 2: set keystore.vault.version to v2"
        return ""

    # What a call has to see. A standby of OpenBao answers reads by itself and lags behind by milliseconds; told the
    # state that a write has led to, it hands on what it cannot answer yet.

    def _state(self, key: str, token: Token) -> str:
        with self._lock:
            index, came = self._written.get(key, ("", 0.0))
        # What began after an answer came is a later state, so that one of the two covers both.
        return index if index and came >= token.begun else token.index or index

    def _wrote(self, key: str, answer: Answer) -> None:
        index = answer.header.get(INDEX, "")
        if not index:
            return
        state = (index, time.monotonic())
        with self._lock:
            for written in {key, ""}:
                self._written.pop(written, None)
                self._written[written] = state
            if len(self._written) > _REMEMBERED:
                del self._written[next(iter(self._written))]

    def time(self) -> float:
        """Seconds since 1970 by the server's clock, which all key servers share."""
        server, own = self._clock
        return server + time.monotonic() - own

    def _set_clock(self, answer: Answer) -> None:
        try:
            self._clock = (parsedate_to_datetime(answer.header.get("Date", "")).timestamp(), time.monotonic())
        except ValueError:
            return  # a proxy that takes it out; the clock goes on as it was

    # The rest

    @property
    def pause(self) -> Callable[[float], bool]:
        """Wait for a moment; False when the time given has come, or after `close`."""
        return self._nodes.pause

    def expires_in(self) -> float | None:
        return self._session.expires_in()

    def close(self) -> None:
        """Calls after it raise Unreachable."""
        self._session.close()
        self._nodes.close()

    def __str__(self) -> str:
        return str(self._nodes)
