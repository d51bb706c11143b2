"""A user of etcd and the token that stands for it. Must not know what the token is used for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from openkes.keystore import Unreachable


@dataclass(slots=True)
class Login:
    """`password` is read whenever a token is asked for. Thread-safe."""

    user: str
    password: Callable[[], str] = field(repr=False)
    _token: str = field(default="", init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def token(self, ask: Callable[[str, str], str], until: float) -> str:
        """From memory if there is one; `ask(user, password)` gives a new one. One asks at a time, for etcd spends a
        tenth of a second on each password; nobody waits for it beyond `until`. Unreachable."""
        if token := self._token:
            return token
        if not self._lock.acquire(timeout=max(0.0, until - time.monotonic())):
            raise Unreachable("another call is still waiting for a login")
        try:
            if not self._token:
                self._token = ask(self.user, self.password())
            return self._token
        finally:
            self._lock.release()

    def forget(self, token: str) -> None:
        """It was refused, or is in doubt."""
        if self._token == token:
            self._token = ""
