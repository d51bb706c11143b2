"""A store that can create an object once, in memory: with faults at any step, and with a scheduler that decides which
of several callers takes the next step."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

from openkes.keystore import KeyExists, KeyNotFound, Unreachable
from openkes.keystore.generations import Object
from openkes.keystore.http import MaybeDone

DEADLINE = 20.0  # seconds; only a failing test waits so long


class Crash(BaseException):
    """The process ends here: nothing after it happens."""


class Fault(Enum):
    REFUSED = "refused before it is done"
    UNSURE = "done, and no answer"
    NOT_DONE = "not done, and no answer"
    CRASH = "crash before it is done"
    CRASH_AFTER = "crash after it is done"


class MemoryObjects:
    """Implements `Objects`. `step` is called before every request."""

    def __init__(self) -> None:
        self.held: dict[str, Object] = {}
        self.steps = 0
        self.step: Callable[[], None] = lambda: None
        self._faults: dict[int, Fault] = {}
        self._ids = itertools.count()
        self._lock = threading.Lock()
        self._closed = False

    def fail(self, at: int, fault: Fault) -> None:
        """At the `at`-th request from now, which is 0."""
        self._faults = {self.steps + at: fault}

    def heal(self) -> None:
        self._faults = {}

    def create_once(self, name: str, value: bytes, until: float) -> None:
        with self._request(writes=True):
            if name in self.held:
                raise KeyExists(name)
            self.held[name] = Object(name, f"id-{next(self._ids)}", value)

    def read(self, name: str, until: float) -> Object:
        with self._request():
            if name not in self.held:
                raise KeyNotFound(name)
            return self.held[name]

    def remove(self, which: Object, until: float) -> None:
        with self._request(writes=True):
            if which.name not in self.held or self.held[which.name].id != which.id:
                raise KeyNotFound(which.name)
            del self.held[which.name]

    def names(self, prefix: str, until: float) -> list[str]:
        with self._request():
            return [name for name in self.held if name.startswith(prefix)]

    def check(self, until: float) -> None:
        with self._request():
            pass

    def close(self) -> None:
        self._closed = True

    @contextmanager
    def _request(self, *, writes: bool = False) -> Iterator[None]:
        self.step()
        with self._lock:
            if self._closed:
                raise Unreachable("closed")
            fault = self._faults.get(self.steps)
            self.steps += 1
            unsure = MaybeDone if writes else Unreachable
            match fault:
                case Fault.REFUSED:
                    raise Unreachable("refused")
                case Fault.NOT_DONE:
                    raise unsure("no answer")
                case Fault.CRASH:
                    raise Crash
            yield
            match fault:
                case Fault.UNSURE:
                    raise unsure("no answer")
                case Fault.CRASH_AFTER:
                    raise Crash


@dataclass
class _Caller:
    waiting: bool = False
    ended: bool = False


class Schedule:
    """Runs calls in threads, one request at a time; `choices` says whose turn it is wherever there is a choice."""

    def __init__(self, objects: MemoryObjects, calls: list[Callable[[], None]], choices: list[int]) -> None:
        self._callers = [_Caller() for _ in calls]
        self._state = threading.Condition()
        self._turn = -1
        self._mine = threading.local()
        self._choices = choices
        self.taken: list[tuple[int, int]] = []  # choice, of how many
        objects.step = self._step
        threads = [threading.Thread(target=self._run, args=(i, call), daemon=True) for i, call in enumerate(calls)]
        for thread in threads:
            thread.start()
        self._conduct()
        for thread in threads:
            thread.join(DEADLINE)
        objects.step = lambda: None

    def _run(self, number: int, call: Callable[[], None]) -> None:
        self._mine.number = number
        try:
            call()
        finally:
            with self._state:
                self._callers[number].ended = True
                self._state.notify_all()

    def _step(self) -> None:
        number = self._mine.number
        with self._state:
            self._callers[number].waiting = True
            self._state.notify_all()
            assert self._state.wait_for(lambda: self._turn == number, DEADLINE)
            self._turn = -1
            self._callers[number].waiting = False

    def _conduct(self) -> None:
        with self._state:
            while True:
                settled = lambda: self._turn == -1 and all(c.waiting or c.ended for c in self._callers)  # noqa: E731
                assert self._state.wait_for(settled, DEADLINE)
                ready = [i for i, caller in enumerate(self._callers) if not caller.ended]
                if not ready:
                    return
                choice = 0
                if len(ready) > 1:
                    at = len(self.taken)
                    choice = self._choices[at] if at < len(self._choices) else 0
                    self.taken.append((choice, len(ready)))
                self._turn = ready[choice]
                self._state.notify_all()


def every_schedule(prepare: Callable[[], tuple[MemoryObjects, list[Callable[[], None]]]]) -> Iterator[MemoryObjects]:
    """Every order in which the requests of the calls can come, one after the other."""
    choices: list[int] | None = []
    while choices is not None:
        objects, calls = prepare()
        taken = Schedule(objects, calls, choices).taken
        yield objects
        while taken and taken[-1][0] + 1 == taken[-1][1]:
            taken.pop()
        choices = [choice for choice, _ in taken[:-1]] + [taken[-1][0] + 1] if taken else None
