"""A look at every entry: whose deletion waits, what was rotated, what is malformed.

Broken off, by a store that is away or by its owner, it goes on where it was. Must not know what is done about it.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from openkes.crypto.entry import MalformedEntry
from openkes.keystore import KeyNotFound
from openkes.keystore.cache import KeyCache
from openkes.keystore.ledger import Ledger

_log = logging.getLogger(__name__)
PAGE = 1_000  # names

#: rest(seconds): called after each entry with the time it took; True breaks off.
Rest = Callable[[float], bool]


@dataclass(frozen=True, slots=True)
class Scan:
    """What a look at every entry found: names of entries without an integrity tag, and of malformed ones."""

    entries: int
    untagged: tuple[str, ...]
    malformed: tuple[str, ...]


class Survey:
    """One look, for one thread. `reported`: malformed entries that were logged before."""

    def __init__(self, cache: KeyCache, ledger: Ledger, reported: frozenset[str] = frozenset()) -> None:
        self._cache = cache
        self._ledger = ledger
        self._reported = reported
        # What is known, and listed no more, was removed by another server.
        self._unseen = ledger.names()
        self._names: deque[str] = deque()
        self._next: str | None = ""
        self._entries = 0
        self._untagged: list[str] = []
        self._malformed: list[str] = []

    def run(self, rest: Rest = lambda _: False) -> Scan | None:
        """To the end, or None when `rest` broke it off. Unreachable; both may be followed by another `run`."""
        while True:
            while self._names:
                begin = time.perf_counter()
                self._look_at(self._names[0])
                self._unseen.discard(self._names.popleft())
                if rest(time.perf_counter() - begin):
                    return None
            if self._next is not None:
                page = self._cache.store.list("", PAGE, self._next)
                self._names.extend(page.names)
                self._next = page.continue_at or None
            elif self._unseen:
                self._names.extend(self._unseen)
            else:
                return Scan(self._entries, tuple(self._untagged), tuple(self._malformed))

    def _look_at(self, name: str) -> None:
        try:
            key = self._cache.look_up(name)
        except KeyNotFound:
            return
        except MalformedEntry as error:
            self._malformed.append(name)
            if name not in self._reported:
                _log.error("stored key %s is malformed: %s; restore it from a backup", name, error)
            return
        self._entries += 1
        if not key.tagged:
            self._untagged.append(name)
