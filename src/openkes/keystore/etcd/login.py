"""A user of etcd and the token that stands for it. Must not know what the token is used for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Login:
    """`password` is read whenever a token is asked for. Thread-safe."""

    user: str
    password: Callable[[], str] = field(repr=False)
    _token: str = field(default="", init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def token(self, refused: str, ask: Callable[[str, str], str]) -> str:
        """A token other than `refused`, from memory if there is one; `ask(user, password)` gives a new one. One asks
        at a time: etcd spends a tenth of a second on each password."""
        with self._lock:
            if self._token in ("", refused):
                self._token = ""
                self._token = ask(self.user, self.password())
            return self._token
