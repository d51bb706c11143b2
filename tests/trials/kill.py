"""Trial: kill -9 at random points under eight clients that create, rotate, delete and undelete.

    python -m tests.trials.kill [--full] [--kills N] [--minutes M]

Whatever was acknowledged must be there after the next start, every ciphertext must open, a call without an answer
must have happened as a whole or not at all, and every start must succeed. Some kills come while the server starts.
Rounds change between the engines, and between plain and sealed stores.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from openkes import front
from openkes.client import Client, ClientError, Endpoint, KeyFiles, NoAnswer, Trust
from tests.servers import Identity, free_port, make_identity
from tests.trials.kill_starter import Starter
from tests.trials.kill_worker import Finding, Is, Worker

WORKERS = 8
START_SECONDS = 60.0
MOST_WORK = 0.5  # seconds from ready to the kill, at most
EARLY = 0.15  # of the kills come while the server starts
GENERATION = 50  # kills on one store, then everything is checked and a new one begins


@dataclass(slots=True)
class Figures:
    kills: int = 0
    early: int = 0
    starts: list[float] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)

    def text(self) -> str:
        starts = f"{len(self.starts)} starts waited for, median {statistics.median(self.starts):.2f} s"
        calls = ", ".join(f"{count:,} {what}" for what, count in sorted(self.done.items()))
        return f"{self.kills} kills, {self.early} of them during a start; {starts}\n{calls}"


class Generation:
    """One store in `folder`, and those who work on it. `stop` in seconds of time.monotonic."""

    def __init__(self, starter: Starter, folder: Path, engine: str, sealed: bool, seed: int, figures: Figures) -> None:
        self._starter, self._folder, self._engine, self._figures = starter, folder, engine, figures
        self._admin, self._tls = make_identity(folder, "root"), make_identity(folder, "server")
        self._random = random.Random(seed)
        self._workers = [Worker(number, seed) for number in range(WORKERS)]
        self._port = free_port()
        self._process = 0
        self._killing = threading.Event()
        fs: dict[str, object] = {"path": str(folder / "keys")}
        if sealed:
            (folder / "seal").touch(mode=0o600)
            (folder / "seal").write_text("5e" * 32)
            fs["seal"] = {"key": {"file": str(folder / "seal")}}
        self._config = folder / "config.yml"
        document = {
            "version": "v1",
            "address": f"127.0.0.1:{self._port}",
            "admin": {"identity": self._admin.identity},
            "tls": {"key": str(self._tls.key), "cert": str(self._tls.cert)},
            "keystore": {"fs": fs},
            "audit": {"file": str(folder / "audit.log")},
        }
        self._config.write_text(json.dumps(document))

    def run(self, kills: int, stop: float) -> None:
        for _ in range(kills):
            if time.monotonic() > stop or self._figures.findings:
                break
            self._start()
            if self._random.random() < EARLY:
                self._figures.early += 1
                usual = statistics.median(self._figures.starts or [0.5])
                threading.Event().wait(self._random.uniform(0, usual))
            else:
                self._wait_ready()
                threads = [threading.Thread(target=self._work, args=(worker,)) for worker in self._workers]
                for thread in threads:
                    thread.start()
                # The random point of the trial, not a wait for something.
                threading.Event().wait(self._random.uniform(0, MOST_WORK))
                self._kill()
                for thread in threads:
                    thread.join()
            self._kill()
            self._figures.kills += 1
        if not self._figures.findings:
            self._check_all()
        for worker in self._workers:
            self._figures.done += worker.done

    def _check_all(self) -> None:
        """Every name and every ciphertext, and no name that nobody asked for."""
        self._start()
        self._wait_ready()
        try:
            with self._client() as client:
                for worker in self._workers:
                    for name in worker.names:
                        worker.check(client, name)
                wanted = sorted(
                    name.name for worker in self._workers for name in worker.names if name.may_be == {Is.THERE}
                )
                listed = client.list_keys()[0]
                if listed != wanted:
                    raise Finding(f"listed and wanted differ: {sorted(set(listed) ^ set(wanted))}")
        except (Finding, ClientError) as error:
            self._figures.findings.append(str(error))
        self._kill()

    def _work(self, worker: Worker) -> None:
        try:
            with self._client() as client:
                worker.live(client)
        except Finding as error:
            self._figures.findings.append(str(error))
        except NoAnswer as error:
            if not self._killing.is_set():
                self._figures.findings.append(f"no answer from a living server: {error}\n{self._stderr()}")

    def _client(self) -> Client:
        who: Identity = self._admin
        return Client(Endpoint("127.0.0.1", self._port), KeyFiles(who.key, who.cert), Trust(self._tls.cert))

    def _start(self) -> None:
        self._killing.clear()
        self._begun = time.monotonic()
        self._process = self._starter.start(self._config, self._engine, self._folder / "stderr")

    def _wait_ready(self) -> None:
        """Finding when it does not start."""
        while True:
            try:
                with self._client() as client:
                    client.version()
            except NoAnswer as error:
                if time.monotonic() < self._begun + START_SECONDS and Path(f"/proc/{self._process}").exists():
                    time.sleep(0.01)  # between two looks
                    continue
                raise Finding(f"the server did not start: {error}\n{self._stderr()}") from error
            self._figures.starts.append(time.monotonic() - self._begun)
            return

    def _kill(self) -> None:
        if not self._process:
            return
        self._killing.set()
        os.kill(self._process, signal.SIGKILL)
        code = self._starter.ended(self._process)
        self._process = 0
        if code != -signal.SIGKILL:
            self._figures.findings.append(f"the server ended by itself with {code}\n{self._stderr()}")

    def _stderr(self) -> str:
        return (self._folder / "stderr").read_text(errors="replace")[-4000:]


def trial(
    kills: int,
    seconds: float,
    seed: int = 1,
    generation: int = GENERATION,
    tell: Callable[[str], None] = lambda _: None,
) -> Figures:
    """Until so many kills are done or the time is over. `tell` hears how it goes."""
    figures, starter = Figures(), Starter()
    stop, number = time.monotonic() + seconds, 0
    engines = ["engine", "python"] if front.have_engine() else ["python"]
    try:
        while figures.kills < kills and time.monotonic() < stop and not figures.findings:
            with tempfile.TemporaryDirectory() as name:
                engine, sealed = engines[number % len(engines)], number // 2 % 2 == 1
                part = Generation(starter, Path(name), engine, sealed, seed + number, figures)
                try:
                    part.run(min(generation, kills - figures.kills), stop)
                except Finding as error:
                    figures.findings.append(str(error))
            number += 1
            tell(f"{figures.kills} kills so far")
    finally:
        starter.close()
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.trials.kill")
    parser.add_argument("--full", action="store_true", help="1,000 kills")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=60.0, help="stop after this time")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    asked = parser.parse_args()
    print(f"seed {asked.seed}", flush=True)
    figures = trial(
        1000 if asked.full else asked.kills, asked.minutes * 60, asked.seed, tell=lambda text: print(text, flush=True)
    )
    print(figures.text())
    print("\n".join(f"FINDING {finding}" for finding in figures.findings) or "nothing lost, no name unusable")
    raise SystemExit(bool(figures.findings))


if __name__ == "__main__":
    main()
