"""What is known of all entries without reading them: whose deletion waits, and which were rotated.

Must not know stores: it is told what was found.
"""

from __future__ import annotations

import threading

from openkes.crypto.entry import Key


class Ledger:
    """Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: dict[str, int] = {}
        self._versions: dict[str, int] = {}

    def saw(self, name: str, key: Key | None) -> None:
        """The entry as it is now; None: there is none."""
        with self._lock:
            if key is not None and key.purge_at is not None:
                self._pending[name] = key.purge_at
            else:
                self._pending.pop(name, None)
            if key is not None and key.is_rotated:
                self._versions[name] = key.version
            else:
                self._versions.pop(name, None)

    def pending(self) -> dict[str, int]:
        """Names whose deletion waits, with the time (ns since 1970) at which they go."""
        with self._lock:
            return dict(self._pending)

    def versions(self) -> dict[str, int]:
        """Names of rotated keys with the number of their newest version."""
        with self._lock:
            return dict(self._versions)

    def names(self) -> set[str]:
        """All of which something is known."""
        with self._lock:
            return self._pending.keys() | self._versions.keys()
