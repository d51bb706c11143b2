"""The nodes of one Vault or OpenBao cluster: which one is asked, and which answers mean that another one should be.

Owns the order: the active node first, for a standby of OpenBao may answer reads from old data. Must not know tokens,
paths or what a call means.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Mapping
from typing import Any

from openkes.keystore import Unreachable
from openkes.keystore.http import Answer, ClientTLS, Endpoints, MaybeDone

ALONE_SECONDS = 8.0  # for one answer of a single node; below the limit of a call, to name the cause
NODE_SECONDS = 3.0  # of one among several: another one is asked rather
HEALTH_SECONDS = 2.0
#: How long a cluster may have no active node: it takes another in 2 to 5 s.
ELECTION_SECONDS = 5.0
HEALTH = "/v1/sys/health"
ACTIVE = 200  # of HEALTH
_STANDBY = frozenset({429, 472, 473})  # of HEALTH
#: May be over in a moment: no active node yet, a quota, a standby that has yet to see a write (412 and 429).
_PASSING = frozenset({307, 412, 429})
_PAUSE_SECONDS = 0.1
_SEALED = "is sealed"  # in what either product says


class Nodes:
    """Thread-safe."""

    def __init__(self, urls: tuple[str, ...], tls: ClientTLS) -> None:
        """Unreachable when a TLS file is no good."""
        seconds = ALONE_SECONDS if len(urls) == 1 else NODE_SECONDS
        self._urls = urls
        self._nodes = [Endpoints((url,), tls, seconds) for url in urls]
        self._first = 0
        self._closed = threading.Event()

    def ask(
        self, method: str, path: str, body: Any, headers: Mapping[str, str], until: float, *, repeatable: bool
    ) -> Answer:
        """An answer of a node that serves. `repeatable`: doing it twice is as good as once. `until`: a time of the
        monotonic clock. Unreachable (MaybeDone)."""
        patience = min(until, time.monotonic() + ELECTION_SECONDS)
        while True:
            reasons: list[str] = []
            passing = False
            first = self._first
            for i in range(len(self._nodes)):
                at = (first + i) % len(self._nodes)
                if reasons and time.monotonic() >= until:
                    break
                try:
                    answer = self._nodes[at].call(method, path, body, headers, repeatable=repeatable, until=until)
                except MaybeDone as error:
                    self._pass_on(at)
                    if not repeatable:
                        raise
                    reasons.append(str(error))
                    continue
                except Unreachable as error:
                    self._pass_on(at)
                    reasons.append(str(error))
                    continue
                unfit = _unfit(answer)
                if not unfit and answer.status < 500:
                    self._first = at
                    return answer
                self._pass_on(at)
                reasons.append(f"{self._urls[at]}: {unfit or said(answer)}")
                passing |= not unfit or answer.status in _PASSING
                if not unfit and not repeatable:
                    # It may have written before it failed, as a node that loses the lead meanwhile does.
                    raise MaybeDone(reasons[-1])
            if not passing or not self.pause(patience):
                raise Unreachable("; ".join(reasons))

    def find_active(self) -> bool:
        """Let calls begin with the active node. False: those that answer are standbys."""
        standby = False
        for i in range(len(self._nodes)):
            at = (self._first + i) % len(self._nodes)
            with contextlib.suppress(Unreachable):
                health = self._health(at).status
                if health == ACTIVE:
                    self._first = at
                    return True
                standby |= health in _STANDBY
        return not standby

    def _health(self, at: int) -> Answer:
        until = time.monotonic() + HEALTH_SECONDS
        return self._nodes[at].call("GET", HEALTH, repeatable=True, until=until)

    def _pass_on(self, at: int) -> None:
        if at == self._first:
            self._first = (at + 1) % len(self._nodes)

    def pause(self, until: float) -> bool:
        """Wait for a moment. False: it is `until` already, or closed."""
        seconds = _PAUSE_SECONDS * (0.5 + random.random())  # noqa: S311 - so that several do not come at once again
        return time.monotonic() < until and not self._closed.wait(seconds)

    def close(self) -> None:
        """Calls after it raise Unreachable."""
        self._closed.set()
        for node in self._nodes:
            node.close()

    def __str__(self) -> str:
        return ", ".join(str(node) for node in self._nodes)


def said(answer: Answer) -> str:
    """What is wrong, in the server's words."""
    document = answer.document if isinstance(answer.document, dict) else {}
    words = [*(document.get("errors") or []), *(document.get("warnings") or [])] or [document.get("text") or ""]
    text = " ".join(" ".join(str(word) for word in words).split())
    return f"status {answer.status}: {text}" if text else f"status {answer.status}"


def _unfit(answer: Answer) -> str:
    """Why this node has surely not done what was asked and another one may; "" for one that serves."""
    if answer.status == 503 and _SEALED in said(answer):
        return "it is sealed: unseal it"
    if answer.status == 503 and "not initialized" in said(answer):
        return "it is not initialised: run `bao operator init`"
    if answer.status == 307:
        return "it is a standby that cannot reach the active node: name the active node, or mend the cluster's network"
    if answer.status == 429:
        return "too many requests: a rate limit quota is used up; raise it, or wait"
    if answer.status in (412, 472, 473):
        return "it is a standby that does not serve: name the active node"
    return ""
