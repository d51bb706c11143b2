"""Creates and reads on a key store, from several threads, while something happens to its servers."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from openkes.keystore import KeyExists, KeyNotFound, KeyStore, Unreachable

DEADLINE = 120.0  # seconds; only a failing test waits so long


@dataclass(slots=True)
class Load:
    """What was told to callers. `acknowledged`: names and values; `failures`: when a call that failed began, of the
    monotonic clock, and what it said; `wrong`: answers that no key store may give; `slowest`: seconds of a call."""

    store: KeyStore
    acknowledged: dict[str, bytes] = field(default_factory=dict)
    failures: list[tuple[float, str]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    slowest: float = 0.0
    _ended: threading.Event = field(default_factory=threading.Event)

    def wait_for_more(self, count: int) -> None:
        """Until so many further creates were acknowledged."""
        wanted = len(self.acknowledged) + count
        end = time.monotonic() + DEADLINE
        while len(self.acknowledged) < wanted:
            assert time.monotonic() < end, self.failures[-3:]
            self._ended.wait(0.005)

    def run(self) -> None:
        while not self._ended.is_set():
            name, value = f"key-{uuid.uuid4()}", uuid.uuid4().bytes
            begin = time.monotonic()
            try:
                self.store.create(name, value)
                self.acknowledged[name] = value
                if self.store.get(name) != value:
                    self.wrong.append(f"{name}: another value")
            except Unreachable as error:
                self.failures.append((begin, str(error)))
                self._ended.wait(0.05)
            except (KeyExists, KeyNotFound) as error:
                self.wrong.append(f"{name}: {error!r}")
            self.slowest = max(self.slowest, time.monotonic() - begin)

    def check(self, store: KeyStore) -> None:
        """Every key that was acknowledged is there, as it was."""
        assert self.wrong == []
        assert {name: store.get(name) for name in self.acknowledged} == self.acknowledged

    def failed_after(self, moment: float) -> list[tuple[float, str]]:
        """Calls that began after `moment` and failed."""
        return [(begin - moment, text) for begin, text in self.failures if begin > moment]

    def stop(self) -> None:
        self._ended.set()


@contextmanager
def loaded(store: KeyStore, threads: int = 4) -> Iterator[Load]:
    """Under load until the block ends."""
    load = Load(store)
    workers = [threading.Thread(target=load.run) for _ in range(threads)]
    for worker in workers:
        worker.start()
    try:
        load.wait_for_more(10)
        yield load
    finally:
        load.stop()
        for worker in workers:
            worker.join(DEADLINE)
            assert not worker.is_alive()
