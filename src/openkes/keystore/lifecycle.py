"""How keys come, change and go: create, rotate, delete with a waiting period, undelete, purge.

A change is stored, then read back, then served. A deleted key's entry stays under its name until its period is over,
so that nobody, and MinIO in particular, can make a new key under the old name without anyone noticing.
Must not know HTTP.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from openkes.crypto import entry
from openkes.crypto.entry import Key, MalformedEntry
from openkes.keystore import KeyExists, KeyNotFound, Unreachable
from openkes.keystore.cache import KeyCache
from openkes.keystore.ledger import Ledger
from openkes.keystore.survey import Rest, Scan, Survey

_log = logging.getLogger(__name__)
_SECOND = 1_000_000_000
DEFAULT_WAIT = 7 * 24 * 3600.0  # seconds; long enough for a weekend and the Monday after it
#: ns. Who removes an entry for good takes it for so long, with `deleted_at` and `purge_at` the same: nobody undeletes
#: or replaces it meanwhile. After a crash the next purge removes it.
_REMOVAL = 3600 * _SECOND


class NotReadBack(Exception):
    """The store acknowledged a change and then gave back something else."""


class Lifecycle:
    """Thread-safe. `wait` in seconds; 0 deletes at once. `now` is ns since 1970."""

    def __init__(self, cache: KeyCache, wait: float = DEFAULT_WAIT, now: Callable[[], int] = time.time_ns) -> None:
        self._cache = cache
        self._store = cache.store
        self.wait = wait
        self._now = now
        self._ledger = Ledger()
        cache.seen = self._ledger.saw
        #: Set after the first look at every entry: until then `pending` and `versions` know only what happened here.
        self.scanned = threading.Event()
        self._malformed: frozenset[str] = frozenset()

    def create(self, name: str, key: Key) -> None:
        """KeyExists (also while a deletion waits), Unreachable, NotReadBack."""
        value = entry.encode(key, name)
        with self._cache.turn(name):
            try:
                self._store.create(name, value)
            except KeyExists:
                old = self._over(name)
                if old is None:
                    raise
                try:
                    self._store.replace(name, old, value)
                except KeyNotFound:  # another server has just removed it for good
                    self._store.create(name, value)
            self._serve(name, key)

    def rotate(self, name: str, raw: bytes, identity: str) -> Key:
        """A new version with `raw`, 32 random bytes. KeyNotFound, KeyExists (changed meanwhile: try again)."""
        with self._cache.turn(name):
            old = self._store.get(name)
            key = entry.decode(old, name)
            if key.deleted_at is not None:
                raise KeyNotFound(name)
            key = key.rotated(raw, self._now(), identity)
            self._store.replace(name, old, entry.encode(key, name))
            self._serve(name, key)
        return key

    def delete(self, name: str) -> None:
        """At once, or marked to go when the period is over. KeyNotFound, Unreachable, MalformedEntry."""
        with self._cache.turn(name):
            try:
                if not self.wait:
                    self._store.delete(name)
                    self._ledger.saw(name, None)
                    return
                old = self._store.get(name)
                key = entry.decode(old, name)
                if key.deleted_at is not None:
                    self._ledger.saw(name, key)
                    raise KeyNotFound(name)
                now = self._now()
                key = key.deleted(now, now + int(self.wait * _SECOND))
                self._store.replace(name, old, entry.encode(key, name))
                self._ledger.saw(name, key)
            finally:
                self._cache.forget(name)

    def undelete(self, name: str) -> None:
        """KeyNotFound when no deletion waits under this name."""
        with self._cache.turn(name):
            old = self._store.get(name)
            key = entry.decode(old, name)
            if key.deleted_at is None or self._is_over(old, name) or key.deleted_at == key.purge_at:
                raise KeyNotFound(name)
            key = key.undeleted()
            self._store.replace(name, old, entry.encode(key, name))
            self._serve(name, key)

    def pending(self) -> dict[str, int]:
        """Names whose deletion waits, with the time (ns since 1970) at which they go."""
        return self._ledger.pending()

    def versions(self) -> dict[str, int]:
        """Names of rotated keys with the number of their newest version."""
        return self._ledger.versions()

    def purge(self) -> list[str]:
        """Remove what has waited long enough; names removed. Unreachable."""
        now, gone = self._now(), []
        for name, purge_at in self.pending().items():
            if purge_at > now:
                continue
            with self._cache.turn(name):
                if self._remove(name):
                    _log.warning("key %s was deleted for good: its waiting period is over", name)
                    gone.append(name)
                self._ledger.saw(name, self._found(name))
                self._cache.forget(name)
        return gone

    def _found(self, name: str) -> Key | None:
        try:
            return entry.decode(self._store.get(name), name)
        except (KeyNotFound, MalformedEntry):
            return None

    def _remove(self, name: str) -> bool:
        """False when it is no deleted key any more, or somebody else is faster. Unreachable."""
        old = self._over(name)
        if old is None:
            return False
        # Taken first: another server may make a new key under the free name at any moment, and that one must stay.
        soon = self._now() + _REMOVAL
        try:
            self._store.replace(name, old, entry.encode(entry.decode(old, name).deleted(soon, soon), name))
            if self._now() > soon - _REMOVAL // 2:
                return False  # held up so long that it will soon be another's: the next purge may have it
            self._store.delete(name)
        except (KeyNotFound, KeyExists):
            return False
        return True

    def scan(self) -> Scan:
        """Look at every entry, in one go. Unreachable."""
        while (scan := self.look(self.survey())) is None:
            pass
        return scan

    def survey(self) -> Survey:
        """A look at every entry, for `look`."""
        return Survey(self._cache, self._ledger, self._malformed)

    def look(self, survey: Survey, rest: Rest = lambda _: False) -> Scan | None:
        """Go on with it: what was found, or None when `rest` broke it off. Unreachable, to be followed by another."""
        scan = survey.run(rest)
        if scan is not None:
            self._malformed = frozenset(scan.malformed)
            self.scanned.set()
        return scan

    def _serve(self, name: str, key: Key) -> None:
        """Read back what was stored, and serve that."""
        self._cache.forget(name)
        try:
            found = entry.decode(self._store.get(name), name)
        except (KeyNotFound, MalformedEntry, Unreachable):
            raise NotReadBack(name) from None
        # Another server may have rotated or deleted it since: that went on from what was stored here.
        if found.hmac_key != key.hmac_key or not set(key.versions()) <= set(found.versions()):
            raise NotReadBack(name)
        self._ledger.saw(name, found)
        if found.deleted_at is None:
            self._cache.serve(name, found)

    def _over(self, name: str) -> bytes | None:
        """The stored value if it is a deleted key whose period has passed, None for whatever must stay."""
        try:
            value = self._store.get(name)
        except (KeyNotFound, MalformedEntry):
            return None
        return value if self._is_over(value, name) else None

    def _is_over(self, value: bytes, name: str) -> bool:
        """Whether the entry is a deleted key whose period has passed."""
        try:
            purge_at = entry.decode(value, name).purge_at
        except MalformedEntry:
            return False
        return purge_at is not None and purge_at <= self._now()
