"""Whether files have changed since the last look, by what the file system says of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

Signature = tuple[tuple[str, int, int, int] | None, ...]


class FileWatch:
    """`changed` is True once per change; a file that is away counts as another state."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._seen = _signature(paths)

    def changed(self, paths: Sequence[Path]) -> bool:
        now = _signature(paths)
        before, self._seen = self._seen, now
        return now != before


def _signature(paths: Sequence[Path]) -> Signature:
    return tuple(_facts(path) for path in paths)


def _facts(path: Path) -> tuple[str, int, int, int] | None:
    try:
        facts = path.stat()
    except OSError:
        return None
    return (str(path), facts.st_ino, facts.st_size, facts.st_mtime_ns)
