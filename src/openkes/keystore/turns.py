"""One turn per name: whoever fetches or changes a key holds it, and other names do not wait."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _Turn:
    __slots__ = ("lock", "users")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.users = 0


class Turns:
    """Thread-safe. Remembers a name only while somebody holds or waits for its turn."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turns: dict[str, _Turn] = {}

    def __len__(self) -> int:
        return len(self._turns)

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Not reentrant."""
        with self._lock:
            turn = self._turns.setdefault(name, _Turn())
            turn.users += 1
        try:
            with turn.lock:
                yield
        finally:
            with self._lock:
                turn.users -= 1
                if not turn.users:
                    del self._turns[name]
