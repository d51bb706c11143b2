"""Trial: slow clients and idle ones against a running server, and a good client in the middle of them.

    python -m tests.trials.slow_clients [--engine engine|python] [--headers N --bodies N --halves N] [--idle N]

Slow: request heads and bodies of a byte a second, half handshakes, all opened at once; with the compiled engine half
of them speak HTTP/2. Idle: mTLS connections that asked once. Figures are of one machine that runs both ends.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openkes import front
from openkes.front import Limits
from tests.sdk.programs import build, go_command
from tests.servers import KeyServer, running

KEY = "good"
PATH = f"/v1/key/generate/{KEY}"
CALM = 8.0  # seconds of the good client alone
TARGET = 2.0  # times its p99 when alone
CLOSED = 15.0  # seconds until a slow client is closed


class Program:
    """A Go program that is told things line by line, and answers in JSON."""

    def __init__(self, name: str, server: KeyServer, *arguments: str, http: int = 1) -> None:
        pair = ["-cert", str(server.admin.cert), "-key", str(server.admin.key)]
        self._process = subprocess.Popen(
            [
                build(go_command(), Path(__file__).parent) / name,
                *("-address", f"127.0.0.1:{server.port}", "-http", str(http)),
                *pair,
                *arguments,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the program ended early"
        return line

    def ask(self) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return json.loads(self.line())

    def end(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


@contextmanager
def program(name: str, server: KeyServer, *arguments: str, http: int = 1) -> Iterator[Program]:
    started = Program(name, server, *arguments, http=http)
    try:
        yield started
    finally:
        started.end()


@contextmanager
def serving(engine: str) -> Iterator[KeyServer]:
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder), environment={"OPENKES_ENGINE": engine}) as server,
    ):
        with server.client() as admin:
            admin.create_key(KEY)
        yield server
        with server.client() as admin:
            admin.version()
        assert "Traceback" not in server.stderr, server.stderr


@dataclass(frozen=True, slots=True)
class Attack:
    """What the good client saw: `alone`, while the slow ones were `opening`, while all of them were `held`, and
    `after` that, which shows how noisy the machine is. `slow`: what became of them. Times in milliseconds."""

    alone: dict[str, Any]
    opening: dict[str, Any]
    held: dict[str, Any]
    after: dict[str, Any]
    slow: dict[str, Any]

    @property
    def ratio(self) -> float:
        """p99 of the good client while all are held, to the one alone."""
        return float(self.held["kept"]["p99"] / self.alone["kept"]["p99"])


def attack(engine: str, headers: int, bodies: int, halves: int, calm: float = CALM) -> Attack:
    """AssertionError when the server dies."""
    http = 2 if engine == "engine" else 1
    pause = threading.Event()
    counts = ["-headers", str(headers), "-bodies", str(bodies), "-halves", str(halves)]
    with serving(engine) as server, program("good", server, "-path", PATH, http=http) as good:
        pause.wait(1)  # its first calls open connections and fetch the key
        good.ask()
        pause.wait(calm)
        alone = good.ask()
        with program("slow", server, *counts, "-path", PATH, http=http) as slow:
            slow.line()
            opening = good.ask()
            report = json.loads(slow.line())
            held = good.ask()
        pause.wait(calm)
        return Attack(alone, opening, held, good.ask(), report)


@dataclass(frozen=True, slots=True)
class Idle:
    """`per_connection` in bytes of resident memory of the server."""

    opened: dict[str, Any]
    answered: dict[str, Any]
    good: dict[str, Any]
    alone: dict[str, Any]
    per_connection: int


def idle(engine: str, count: int, calm: float = CALM) -> Idle:
    """AssertionError when the server dies."""
    http = 2 if engine == "engine" else 1
    pause = threading.Event()
    with serving(engine) as server, program("good", server, "-path", PATH, http=http) as good:
        pause.wait(1)
        good.ask()
        pause.wait(calm)
        alone = good.ask()
        before = resident(server)
        with program("idle", server, "-count", str(count)) as crowd:
            opened = json.loads(crowd.line())
            memory = resident(server) - before
            failures = good.ask()["failures"]
            pause.wait(calm)
            seen = good.ask()
            seen["failures"] = [*(failures or []), *(seen["failures"] or [])]
            answered = crowd.ask()
        return Idle(opened, answered, seen, alone, memory // count)


def resident(server: KeyServer) -> int:
    """Bytes of memory that the server holds."""
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) * 1024


def raise_files() -> int:
    """As many descriptors as this user may have; returns how many."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def findings(done: Attack, counts: dict[str, int]) -> list[str]:
    """What must not be, whatever the machine: figures of speed are not among it."""
    found = []
    for phase in (done.alone, done.opening, done.held, done.after):
        found += [f"a good call failed: {failure}" for failure in phase["failures"] or []]
    for kind, count in counts.items():
        slow = done.slow[kind]
        found += [f"{kind}: refused: {refusal}" for refusal in (slow["refused"] or [])[:3]]
        if slow["closed"]["count"] != count:
            found.append(f"{kind}: {slow['closed']['count']} of {count} were closed")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.trials.slow_clients")
    parser.add_argument("--engine", choices=("engine", "python"), action="append")
    for name, count in (("headers", 1000), ("bodies", 1000), ("halves", 200), ("idle", 10_000)):
        parser.add_argument(f"--{name}", type=int, default=count)
    parser.add_argument("--rounds", type=int, default=1, help="attacks; of their ratios the median counts")
    asked = parser.parse_args()
    files = raise_files()
    assert files > asked.idle + 500, f"{files} descriptors are too few for {asked.idle} connections"
    assert asked.idle < Limits().connections_per_peer, "all come from one address"
    counts = {"headers": asked.headers, "bodies": asked.bodies, "halves": asked.halves}
    bad = 0
    for engine in asked.engine or (["engine", "python"] if front.have_engine() else ["python"]):
        if sum(counts.values()):
            rounds = [attack(engine, *counts.values()) for _ in range(asked.rounds)]
            bad += sum(_print_attack(engine, done, counts) for done in rounds)
            middle = statistics.median(done.ratio for done in rounds)
            print(f"p99 while held, median of {asked.rounds} rounds: {middle:.2f} times that alone (target: {TARGET})")
        if asked.idle:
            bad += _print_idle(engine, idle(engine, asked.idle), asked.idle)
    raise SystemExit(1 if bad else 0)


def _print_attack(engine: str, done: Attack, counts: dict[str, int]) -> int:
    print(f"== {engine}: {counts} slow clients, {done.slow['at_once']} at once")
    for name, phase in (("alone", done.alone), ("opening", done.opening), ("held", done.held), ("after", done.after)):
        kept, fresh = phase["kept"], phase["fresh"]
        print(f"good client, {name:8} kept {kept}  new connection {fresh}  failures {len(phase['failures'] or [])}")
    for kind in counts:
        slow = done.slow[kind]
        print(f"{kind:8} closed {slow['closed']} answered {slow['answered']} left {slow['left']}")
    print(f"p99 while held is {done.ratio:.2f} times that alone")
    found = findings(done, counts)
    print("".join(f"FINDING {finding}\n" for finding in found), end="")
    return len(found)


def _print_idle(engine: str, done: Idle, count: int) -> int:
    print(f"== {engine}: {done.opened['open']} of {count} idle connections, {done.per_connection} bytes each")
    print(f"good client alone {done.alone['kept']}, among them {done.good['kept']}", end=" ")
    print(f"new connection {done.good['fresh']}, failures {len(done.good['failures'])}")
    print(f"asked again: {done.answered['answered']} answered")
    whole = done.opened["open"] == count and done.answered["answered"] == count and not done.good["failures"]
    for failure in [
        *(done.opened["refused"] or [])[:3],
        *(done.answered["lost"] or [])[:3],
        *done.good["failures"][:3],
    ]:
        print(f"FINDING {failure}")
    return 0 if whole else 1


if __name__ == "__main__":
    main()
