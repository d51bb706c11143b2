"""Turns among several key servers over an engine that only reads, writes and lists: KV version 1.

Owns who may change a key: whoever has written a claim for it and then finds no other one. Of two, at least one sees the
other's claim, for each writes its own before it lists; who sees one steps back and tries again. A claim that was left
behind by a server that died does not count after ten minutes. Must not know entries.
Needs reads that see what was written before (`Client` takes care of standbys).
"""

from __future__ import annotations

import contextlib
import logging
import re
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from openkes.keystore import Unreachable
from openkes.keystore.vault.client import Client

FOLDER = ".openkes-claims"  # below the prefix; no key name begins with a dot
#: Seconds by the server's clock. Far longer than a call here may take, and than the server works on a request (90 s).
STALE_SECONDS = 600.0
_TOKEN = re.compile(r"(\d{10,12})-[0-9a-f]{16}", re.ASCII)
_LOCKS = 64
_GIVE_UP_SECONDS = 2.0
_CONTENT = {"claim": "a key server changes this key; it is removed by itself"}


@dataclass(slots=True)
class Claim:
    """Held. `stays`: left to become stale, for a request that nobody knows the end of may still be carried out."""

    path: str
    stays: bool = False


class Claims:
    """Thread-safe. `folder` is the path of all claims, with a slash at its end."""

    def __init__(self, client: Client, folder: str) -> None:
        self._client = client
        self._folder = folder
        # Within one server a lock is cheaper; a few names share one.
        self._locks = [threading.Lock() for _ in range(_LOCKS)]
        self._left: set[str] = set()  # paths of claims of its own that could not be removed, and may be

    @contextmanager
    def held(self, name: str, until: float) -> Iterator[Claim]:
        """Nobody else holds a claim for `name` meanwhile. `until`: a time of the monotonic clock, by which the caller
        is done. Unreachable when others do not come to an end."""
        lock = self._locks[hash(name) % _LOCKS]
        if not lock.acquire(timeout=max(0.0, until - time.monotonic())):
            raise Unreachable(f"{self._client}: other changes of {name} take too long: try again")
        try:
            claim = self._claim(name, until)
            try:
                yield claim
            finally:
                if not claim.stays:
                    self._give_up(claim, name)
        finally:
            lock.release()

    def _claim(self, name: str, until: float) -> Claim:
        while True:
            claim = Claim(f"{self._folder}{name}/{int(self._client.time()):010d}-{secrets.token_hex(8)}")
            try:
                self._write(claim, name, until)
                others = self._others(claim, name, until)
                if not others:
                    # Written once more, so that what is read from now on is later than the list, on every node.
                    self._write(claim, name, until)
                    return claim
            except BaseException:
                self._give_up(claim, name)
                raise
            self._give_up(claim, name)
            if not self._client.pause(until):
                raise Unreachable(
                    f"{self._client}: somebody else changes {name} (its claim is {self._folder}{name}/{others[0]}): "
                    f"try again; one that a dead server left does not count after {STALE_SECONDS / 60:g} minutes"
                )

    def _write(self, claim: Claim, name: str, until: float) -> None:
        need = f"create and update on {self._folder}*"
        self._client.call("POST", claim.path, _CONTENT, need=need, until=until, key=name, repeatable=True)

    def _others(self, claim: Claim, name: str, until: float) -> list[str]:
        """Claims that count, beside `claim`; those that do not are removed."""
        path = f"{self._folder}{name}/"
        need = f"list on {self._folder}*"
        answer = self._client.call("GET", f"{path}?list=true", need=need, until=until, key=name, answers=(404,))
        found = answer.document.get("data") if answer.status == 200 else None
        others = [token for token in (found or {}).get("keys", []) if path + token != claim.path]
        void = [token for token in others if path + token in self._left or self._is_stale(token)]
        for token in void:
            logging.getLogger(__name__).warning("a claim that was left behind is removed: %s%s", path, token)
            self._remove(path + token, name, until)
        return [token for token in others if token not in void]

    def _is_stale(self, token: str) -> bool:
        match = _TOKEN.fullmatch(token)
        # What somebody else put there may mean anything; the error names it.
        return match is not None and self._client.time() - int(match[1]) > STALE_SECONDS

    def _give_up(self, claim: Claim, name: str) -> None:
        """What the claim was for is done, or not, whatever comes of this; the next change removes what stays."""
        self._left.add(claim.path)
        with contextlib.suppress(Unreachable):
            self._remove(claim.path, name, time.monotonic() + _GIVE_UP_SECONDS)

    def _remove(self, path: str, name: str, until: float) -> None:
        need = f"delete on {self._folder}*"
        self._client.call("DELETE", path, need=need, until=until, key=name, repeatable=True)
        self._left.discard(path)
