"""Ties each line to the one this process wrote before, so that a change to either shows.

A line ends in `"chain":{"writer","seq","prev"}`: which process, its how-manieth line (from 1), and the SHA-256 of
its line before, as it stands in the file without the line end. The first line has zeros for `prev` and names in
`after` the line the file ended with. `lost` counts lines that could not be written since the line before.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable

ZEROS = "0" * 64


def digest(line: bytes) -> str:
    """What the chain calls a line, hex. `line` without its line end."""
    return hashlib.sha256(line).hexdigest()


class Chain:
    """The lines of one writer. Not thread-safe: its user holds a lock from `link` to `advance`."""

    def __init__(self) -> None:
        self.writer = os.urandom(8).hex()
        self._seq = 0
        self._prev = ZEROS
        self._digests: list[str] = []

    def link(self, lines: list[bytes], lost: int, last: Callable[[], str]) -> list[bytes]:
        """The lines with their links. `lost` goes into the first; `last` gives the digest of the file's last line,
        "" for none, and is asked only for a writer's first line."""
        linked = []
        seq, prev = self._seq, self._prev
        self._digests = []
        for line in lines:
            seq += 1
            more = ""
            if seq == 1 and (after := last()):
                more = f',"after":"{after}"'
            if lost:
                more += f',"lost":{lost}'
                lost = 0
            link = f',"chain":{{"writer":"{self.writer}","seq":{seq},"prev":"{prev}"{more}}}}}'
            whole = line[:-1] + link.encode()
            prev = digest(whole)
            self._digests.append(prev)
            linked.append(whole)
        return linked

    def advance(self, written: int) -> None:
        """So many of the lines linked last are in the file; the others were never there."""
        if written:
            self._seq += written
            self._prev = self._digests[written - 1]
