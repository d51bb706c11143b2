"""Scenarios begin with the session, one after the other beside all other tests: they mostly wait, for hosts that boot
and for answers over SSH. Their tests look at the outcome."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from tests.roles import collection, scenario
from tests.roles.scenario import Outcome


class Ahead:
    """`start` once, then `outcome` of each, then `stop`."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "scenario")
        self._futures: dict[str, Future[Outcome]] = {}

    def start(self, names: list[str]) -> None:
        """Begin with these, in this order."""
        for name in names:
            run: Callable[[str], Outcome] = _from_the_built_collection if name == "fleet" else scenario.run
            self._futures[name] = self._pool.submit(run, name)

    def outcome(self, name: str) -> Outcome:
        """Waits for it. AssertionError with the log's tail when it failed."""
        return self._futures[name].result()

    def stop(self) -> None:
        """End what runs; begin no other."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        scenario.stop()


def _from_the_built_collection(name: str) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "collections"
        collection.install(collection.build(Path(folder) / "dist"), path)
        return scenario.run(name, ANSIBLE_COLLECTIONS_PATH=str(path))
