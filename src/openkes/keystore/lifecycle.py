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
from dataclasses import dataclass

from openkes.crypto import entry
from openkes.crypto.entry import Key, MalformedEntry
from openkes.keystore import KeyExists, KeyNotFound, Unreachable
from openkes.keystore.cache import KeyCache

_log = logging.getLogger(__name__)
_SECOND = 1_000_000_000
DEFAULT_WAIT = 7 * 24 * 3600.0  # seconds; long enough for a weekend and the Monday after it
SCAN_PAGE = 1_000
#: ns. Who removes an entry for good takes it for so long, with `deleted_at` and `purge_at` the same: nobody undeletes
#: or replaces it meanwhile. After a crash the next purge removes it.
_REMOVAL = 3600 * _SECOND


class NotReadBack(Exception):
    """The store acknowledged a change and then gave back something else."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What a look at every entry found: names of entries without an integrity tag, and of malformed ones."""

    entries: int
    untagged: tuple[str, ...]
    malformed: tuple[str, ...]


class Lifecycle:
    """Thread-safe. `wait` in seconds; 0 deletes at once. `now` is ns since 1970."""

    def __init__(self, cache: KeyCache, wait: float = DEFAULT_WAIT, now: Callable[[], int] = time.time_ns) -> None:
        self._cache = cache
        self._store = cache.store
        self.wait = wait
        self._now = now
        self._lock = threading.Lock()
        self._pending: dict[str, int] = {}
        self._versions: dict[str, int] = {}
        #: Set after the first `scan`: until then `pending` and `versions` know only what happened here.
        self.scanned = threading.Event()

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
                self._store.replace(name, old, value)
            self._serve(name, key)
        self._forget(name)

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
        with self._lock:
            self._versions[name] = key.version
        return key

    def delete(self, name: str) -> None:
        """At once, or marked to go when the period is over. KeyNotFound, Unreachable, MalformedEntry."""
        with self._cache.turn(name):
            try:
                if not self.wait:
                    self._store.delete(name)
                    self._forget(name)
                    return
                old = self._store.get(name)
                key = entry.decode(old, name)
                if key.deleted_at is not None:
                    raise KeyNotFound(name)
                now = self._now()
                purge_at = now + int(self.wait * _SECOND)
                self._store.replace(name, old, entry.encode(key.deleted(now, purge_at), name))
                with self._lock:
                    self._pending[name] = purge_at
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
        self._keep(name)

    def pending(self) -> dict[str, int]:
        """Names whose deletion waits, with the time (ns since 1970) at which they go."""
        with self._lock:
            return dict(self._pending)

    def versions(self) -> dict[str, int]:
        """Names of rotated keys with the number of their newest version."""
        with self._lock:
            return dict(self._versions)

    def purge(self) -> list[str]:
        """Remove what has waited long enough; names removed. Unreachable."""
        now, gone = self._now(), []
        for name, purge_at in self.pending().items():
            if purge_at > now:
                continue
            with self._cache.turn(name):
                if self._remove(name):
                    gone.append(name)
                    self._forget(name)
                else:
                    self._keep(name)
                self._cache.forget(name)
        return gone

    def _remove(self, name: str) -> bool:
        """False when it is no deleted key any more, or somebody else is faster. Unreachable."""
        old = self._over(name)
        if old is None:
            return False
        # Taken first: another server may make a new key under the free name at any moment, and that one must stay.
        soon = self._now() + _REMOVAL
        try:
            self._store.replace(name, old, entry.encode(entry.decode(old, name).deleted(soon, soon), name))
            self._store.delete(name)
        except (KeyNotFound, KeyExists):
            return False
        return True

    def scan(self) -> Scan:
        """Look at every entry once: what waits, what was rotated, what is malformed. Unreachable."""
        entries, untagged, malformed, start = 0, [], [], ""
        while True:
            page = self._store.list("", SCAN_PAGE, start)
            for name in page.names:
                try:
                    key = self._looked_at(name)
                except KeyNotFound:
                    continue
                except MalformedEntry as error:
                    malformed.append(name)
                    _log.error("stored key %s is malformed: %s; restore it from a backup", name, error)
                    continue
                entries += 1
                if not key.tagged:
                    untagged.append(name)
            start = page.continue_at
            if not start:
                self.scanned.set()
                return Scan(entries, tuple(untagged), tuple(malformed))

    def _looked_at(self, name: str) -> Key:
        """In its turn: an undelete between reading and noting would leave a living key among those that wait."""
        with self._cache.turn(name):
            key = entry.decode(self._store.get(name), name)
            with self._lock:
                if key.purge_at is not None:
                    self._pending[name] = key.purge_at
                if key.is_rotated:
                    self._versions[name] = key.version
        return key

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

    def _keep(self, name: str) -> None:
        """Its deletion does not wait any more."""
        with self._lock:
            self._pending.pop(name, None)

    def _forget(self, name: str) -> None:
        """The key that had this name is gone."""
        with self._lock:
            self._pending.pop(name, None)
            self._versions.pop(name, None)
