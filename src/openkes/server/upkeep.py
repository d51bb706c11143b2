"""What a server does beside answering: look at every entry once, and carry out deletions that have waited."""

from __future__ import annotations

import logging
import threading

from openkes.keystore import Unreachable
from openkes.keystore.lifecycle import Lifecycle

_log = logging.getLogger(__name__)
INTERVAL = 600.0  # seconds between purges; a deletion may wait a little longer than it was told to
RETRY = 10.0  # seconds until an unreachable store is scanned again


class Upkeep:
    """One background thread from `start` to `stop`."""

    def __init__(self, lifecycle: Lifecycle) -> None:
        self._lifecycle = lifecycle
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="upkeep", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(1.0)

    def _run(self) -> None:
        while not self._scan():
            if self._stopped.wait(RETRY):
                return
        while True:
            self._purge()
            if self._stopped.wait(INTERVAL):
                return

    def _scan(self) -> bool:
        try:
            scan = self._lifecycle.scan()
        except Unreachable as error:
            _log.warning("cannot look through the key store yet: %s", error)
            return False
        if scan.untagged:
            shown = ", ".join(scan.untagged[:5]) + (", …" if len(scan.untagged) > 5 else "")
            _log.info("%d stored keys have no integrity tag, as upstream writes them: %s", len(scan.untagged), shown)
        if scan.malformed:
            _log.error("%d stored keys are malformed; all others are served", len(scan.malformed))
        return True

    def _purge(self) -> None:
        try:
            for name in self._lifecycle.purge():
                _log.warning("key %s was deleted for good: its waiting period is over", name)
        except Unreachable as error:
            _log.warning("deletions that are due wait for the key store: %s", error)
