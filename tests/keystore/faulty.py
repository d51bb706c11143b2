"""A key store that is away or hangs when told so: the faults of a network, under a test's control."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from openkes.keystore import Page, Status, Unreachable
from openkes.keystore.memory import MemoryStore

_T = TypeVar("_T")
DEADLINE = 20.0  # seconds; only a failing test waits so long
AWAY = "the store is away"


def wait_for(condition: Callable[[], bool], otherwise: Callable[[], object] = lambda: "") -> None:
    """Until it holds; AssertionError after the deadline."""
    end, pause = time.monotonic() + DEADLINE, threading.Event()
    while not condition():
        assert time.monotonic() < end, otherwise()
        pause.wait(0.002)


@contextmanager
def running(*calls: Callable[[], object]) -> Iterator[list[threading.Thread]]:
    """Each call in a thread of its own; joined at the end, and none may be left."""
    threads = [threading.Thread(target=call, daemon=True) for call in calls]
    for thread in threads:
        thread.start()
    yield threads
    for thread in threads:
        thread.join(DEADLINE)
        assert not thread.is_alive()


class FaultyStore:
    """Implements `KeyStore` over `inner`. Faults are of a call ("get"), or of a call on a name ("get my-key")."""

    def __init__(self) -> None:
        self.inner = MemoryStore()
        self.calls: Counter[str] = Counter()
        self.closed = False
        self._faults: dict[str, str] = {}
        self._changed = threading.Condition()
        self._hanging = 0
        self._released = 0
        self._lost = False

    def away(self, *calls: str) -> None:
        """These calls raise Unreachable, those that hang too; all calls when none is named."""
        self._set("away", calls)

    def hang(self, *calls: str) -> None:
        self._set("hang", calls)

    def answer(self) -> None:
        """All is well again; what hung goes on."""
        self._release(lost=False)

    def answer_new(self) -> None:
        """All is well for new calls; what hangs goes on hanging, as in a connection that is dead."""
        with self._changed:
            self._faults.clear()

    def lose_hanging(self) -> None:
        """As `answer`, and what hung raises Unreachable."""
        self._release(lost=True)

    def _release(self, *, lost: bool) -> None:
        with self._changed:
            self._faults.clear()
            self._released += 1
            self._lost = lost
            self._changed.notify_all()

    def _set(self, fault: str, calls: tuple[str, ...]) -> None:
        with self._changed:
            for call in calls or ("create", "get", "replace", "delete", "list", "status"):
                self._faults[call] = fault
            self._changed.notify_all()

    @property
    def hanging(self) -> int:
        """How many calls hang."""
        return self._hanging

    def create(self, name: str, value: bytes) -> None:
        self._call("create", name, lambda: self.inner.create(name, value))

    def get(self, name: str) -> bytes:
        return self._call("get", name, lambda: self.inner.get(name))

    def replace(self, name: str, old: bytes, new: bytes) -> None:
        self._call("replace", name, lambda: self.inner.replace(name, old, new))

    def delete(self, name: str) -> None:
        self._call("delete", name, lambda: self.inner.delete(name))

    def list(self, prefix: str, limit: int, start: str = "") -> Page:
        return self._call("list", "", lambda: self.inner.list(prefix, limit, start))

    def status(self) -> Status:
        return self._call("status", "", self.inner.status)

    def close(self) -> None:
        self.closed = True
        self.answer()

    def _call(self, call: str, name: str, work: Callable[[], _T]) -> _T:
        with self._changed:
            self.calls[call] += 1
            fault = self._fault(call, name)
            if fault == "hang":
                fault = self._hang(call, name)
        if fault == "away":
            raise Unreachable(AWAY)
        return work()

    def _hang(self, call: str, name: str) -> str:
        released = self._released
        self._hanging += 1
        self._changed.wait_for(lambda: self._released != released or self._fault(call, name) == "away")
        self._hanging -= 1
        return "away" if self._fault(call, name) == "away" or self._lost else ""

    def _fault(self, call: str, name: str) -> str:
        return self._faults.get(f"{call} {name}") or self._faults.get(call, "")
