"""A login that gives a token for a time, and the one loop that renews it.

Owns when to log in: before the token ends, one at a time, and not again at once when it was refused (some servers lock
an account that is refused a few times). Must not know how to log in, nor what the token is good for.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from openkes.keystore import Unreachable

_log = logging.getLogger(__name__)
PAUSE = 5.0  # seconds after a login that failed
_AGE = 2 / 3  # of its life, when the loop renews it: the last third is for servers that do not answer
_MARGIN = 5.0  # seconds, or a tenth of its life: a token so near to its end is not sent any more


@dataclass(frozen=True, slots=True)
class Grant:
    """What a login gives: `seconds` from now the token ends."""

    token: str = field(repr=False)
    seconds: float


@dataclass(frozen=True, slots=True)
class _Held:
    token: str = field(repr=False)
    seconds: float
    ends: float


class Login:
    """Thread-safe. `log_in` raises Unreachable, and returns within seconds."""

    def __init__(self, log_in: Callable[[], Grant], pause: float = PAUSE) -> None:
        self._log_in = log_in
        self._pause = pause
        self._turn = threading.Lock()
        self._held: _Held | None = None
        self._failed: tuple[str, float] = ("", 0.0)  # why, and until when nobody tries again
        self._closed = threading.Event()
        self._loop: threading.Thread | None = None

    def token(self) -> str:
        """One that is good for some seconds yet. Unreachable."""
        self._check_open()
        held = self._held
        if held is not None and _is_good(held):
            return held.token
        with self._turn:
            held = self._held
            return held.token if held is not None and _is_good(held) else self._renew()

    def refused(self, token: str) -> str:
        """A newer one than `token`, which the server did not take. Unreachable."""
        self._check_open()
        with self._turn:
            held = self._held
            return held.token if held is not None and held.token != token else self._renew()

    def _check_open(self) -> None:
        if self._closed.is_set():
            raise Unreachable("the key store is closed")

    def expires_in(self) -> float | None:
        """Seconds; None before the first login."""
        held = self._held
        return None if held is None else held.ends - time.monotonic()

    def _renew(self) -> str:
        """In the caller's turn."""
        self._check_open()
        why, until = self._failed
        if time.monotonic() < until:
            raise Unreachable(why)
        begin = time.monotonic()
        try:
            grant = self._log_in()
        except Unreachable as error:
            self._failed = (str(error), time.monotonic() + self._pause)
            raise
        self._failed = ("", 0.0)
        self._held = _Held(grant.token, grant.seconds, begin + grant.seconds)
        if self._loop is None:
            self._loop = threading.Thread(target=self._keep, name="keystore-login", daemon=True)
            self._loop.start()
        return grant.token

    def _keep(self) -> None:
        wait = 0.0
        while not self._closed.wait(wait):
            with self._turn:
                held = self._held
                wait = 0.0 if held is None else held.ends - held.seconds * (1 - _AGE) - time.monotonic()
                if wait > 0:
                    continue
                try:
                    self._renew()
                except Unreachable as error:
                    if not self._closed.is_set():
                        _log.warning("the login to the key store cannot be renewed: %s", error)
                    wait = self._pause

    def close(self) -> None:
        """Calls after it raise Unreachable."""
        self._closed.set()


def _is_good(held: _Held) -> bool:
    return held.ends - time.monotonic() > min(_MARGIN, held.seconds / 10)
