"""What a server does beside answering: look at every entry now and then, and carry out deletions that have waited.

The look is how rotations and deletions by other servers on the same store come into the lists of this one: after
`INTERVAL`, and with many entries after `PER_ENTRY` for each.
"""

from __future__ import annotations

import logging
import threading
import time

from openkes.keystore import Unreachable
from openkes.keystore.lifecycle import Lifecycle
from openkes.keystore.survey import Scan

_log = logging.getLogger(__name__)
INTERVAL = 600.0  # seconds between purges; a deletion may wait a little longer than it was told to
#: Seconds between looks for each entry of the store: a hundred reads a minute, whatever it holds. Some stores charge
#: for reads (AWS in 2026: 22 dollars a month at this rate).
PER_ENTRY = 0.6
RETRY = 10.0  # seconds until a look at a store that was away goes on
NAP = 0.01  # seconds; shorter rests are saved up


def until_next(entries: int) -> float:
    """Seconds from the begin of a look at so many entries to the next one."""
    return max(INTERVAL, PER_ENTRY * entries)


class Upkeep:
    """One background thread from `start` to `stop`."""

    def __init__(self, lifecycle: Lifecycle) -> None:
        self._lifecycle = lifecycle
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="upkeep", daemon=True)
        self._tired = 0.0
        self._found = Scan(0, (), ())

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(1.0)

    def _run(self) -> None:
        while True:
            begun = time.monotonic()
            scan = self._look()
            if scan is None:
                return
            self._tell(scan)
            due = begun + until_next(scan.entries)
            while time.monotonic() < due:
                self._purge()
                if self._stopped.wait(min(INTERVAL, max(0.0, due - time.monotonic()))):
                    return

    def _look(self) -> Scan | None:
        """None when the server stops."""
        survey, told = self._lifecycle.survey(), False
        while not self._stopped.is_set():
            try:
                return self._lifecycle.look(survey, self._rest)
            except Unreachable as error:
                if not told:
                    _log.warning("looking through the key store goes on when it is back: %s", error)
                told = True
                self._stopped.wait(RETRY)
        return None

    def _rest(self, seconds: float) -> bool:
        """As long as the store has worked for us: others come first. True when the server stops."""
        self._tired += seconds
        if self._tired < NAP:
            return self._stopped.is_set()
        tired, self._tired = self._tired, 0.0
        return self._stopped.wait(tired)

    def _tell(self, scan: Scan) -> None:
        """What is new since the last look."""
        if scan.untagged and scan.untagged != self._found.untagged:
            shown = ", ".join(scan.untagged[:5]) + (", …" if len(scan.untagged) > 5 else "")
            _log.info("%d stored keys have no integrity tag, as upstream writes them: %s", len(scan.untagged), shown)
        if scan.malformed and scan.malformed != self._found.malformed:
            _log.error("%d stored keys are malformed; all others are served", len(scan.malformed))
        self._found = scan

    def _purge(self) -> None:
        try:
            self._lifecycle.purge()
        except Unreachable as error:
            _log.warning("deletions that are due wait for the key store: %s", error)
