"""Scenarios begin with the session, one after the other beside all other tests: they mostly wait, for hosts that boot
and for answers over SSH. Their tests look at the outcome."""

from __future__ import annotations

import os
import tempfile
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
        """Begin with these, in this order. Their environment is that of now: other tests change it meanwhile."""
        environment = dict(os.environ)
        for name in names:
            run = _from_the_built_collection if name == "fleet" else scenario.run
            self._futures[name] = self._pool.submit(run, name, environment)

    def outcome(self, name: str) -> Outcome:
        """Waits for it. AssertionError with the log's tail when it failed."""
        return self._futures[name].result()

    def stop(self) -> None:
        """End what runs; begin no other."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        scenario.stop()


def _from_the_built_collection(name: str, environment: dict[str, str]) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "collections"
        collection.install(collection.build(Path(folder) / "dist", environment), path, environment)
        return scenario.run(name, environment | {"ANSIBLE_COLLECTIONS_PATH": str(path)})
