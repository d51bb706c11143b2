"""Trial: memory and descriptors of a server over a long run of everything that clients do to it.

    python -m tests.trials.soak [--full] [--minutes M] [--engine engine|python]

Both engines at once, each with its own load. Memory is sampled each second; the slope over the later part of the run
(a server warms up) must stay under a bound. Afterwards, with all clients gone, as many descriptors and threads are
open as at the start.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from openkes import front
from openkes.client import ClientError
from tests.servers import KeyServer, running
from tests.trials.soak_load import Load

SAMPLE = 1.0  # seconds
WARM_UP = 0.4  # of the run: pools of threads and memory fill
#: MiB that may come on top between the warm-up and the end, and per hour of it. The first is allocators' noise: a
#: reload or a listing at the moment of a sample. A leak of a connection's memory (30 KiB) shows at once.
NOISE_MIB = 12.0
SLOPE_MIB_PER_HOUR = 60.0
SETTLE_SECONDS = 40.0  # idle and half-open connections are closed by the server within 30 s
RELOAD_EVERY = 1.0  # seconds


@dataclass(slots=True)
class Figures:
    """Per engine. Samples are (seconds, MiB, descriptors)."""

    engine: str
    samples: list[tuple[float, float, int]] = field(default_factory=list)
    turns: Counter[str] = field(default_factory=Counter)
    descriptors: tuple[int, int] = (0, 0)
    threads: tuple[int, int] = (0, 0)
    findings: list[str] = field(default_factory=list)

    def slope(self) -> tuple[float, float]:
        """MiB per hour and MiB in all, over what comes after the warm-up."""
        later = self.samples[int(len(self.samples) * WARM_UP) :]
        if len(later) < 3:
            return 0.0, 0.0
        times, memory = [sample[0] for sample in later], [sample[1] for sample in later]
        per_second = statistics.linear_regression(times, memory).slope
        return per_second * 3600, per_second * (times[-1] - times[0])

    def text(self) -> str:
        per_hour, grown = self.slope()
        turns = ", ".join(f"{count:,} {what}" for what, count in sorted(self.turns.items()))
        first, last = self.samples[0][1], self.samples[-1][1]
        return (
            f"{self.engine}: {self.samples[-1][0]:.0f} s, {first:.0f} MiB at first, {last:.0f} MiB at the end, "
            f"slope after the warm-up {per_hour:+.1f} MiB/h ({grown:+.2f} MiB in all); descriptors "
            f"{self.descriptors[0]} before, {max(s[2] for s in self.samples)} at most, {self.descriptors[1]} after; "
            f"threads {self.threads[0]} before, {self.threads[1]} after\n  turns: {turns}"
        )


def _memory(server: KeyServer) -> float:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS:")).split()[1]) / 1024


def _threads(server: KeyServer) -> int:
    return len(list(Path(f"/proc/{server.process.pid}/task").iterdir()))


def _descriptors(server: KeyServer) -> int:
    """0 where this process may not look: a server shows them to root only."""
    with contextlib.suppress(PermissionError):
        return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))
    return 0


def soak(engine: str, seconds: float) -> Figures:
    figures = Figures(engine)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = {"deletion": {"wait": "0s"}, "audit": {"file": str(folder / "audit.log")}}
        with running(folder, config, environment={"OPENKES_ENGINE": engine}) as server:
            with server.client() as client:
                client.list_keys()
            load = Load(server)
            _idle(server)
            before = _descriptors(server), _threads(server)
            _run(server, load, figures, seconds)
            load.close()
            _settle(server, figures, before)
            server.check_alive()
            for sign in ("Traceback", "panicked", "internal error"):
                if sign in server.stderr:
                    figures.findings.append(f"the log: {server.stderr[server.stderr.index(sign) - 300 :][:1500]}")
    per_hour, grown = figures.slope()
    if grown > NOISE_MIB and per_hour > SLOPE_MIB_PER_HOUR:
        figures.findings.append(f"memory grows: {per_hour:.0f} MiB/h, {grown:.1f} MiB in all")
    return figures


def _idle(server: KeyServer) -> None:
    """One of each thing that stays for good, so that it counts as `before`."""
    with server.client() as client:
        client.metrics()


def _run(server: KeyServer, load: Load, figures: Figures, seconds: float) -> None:
    stop, begin = threading.Event(), time.monotonic()

    def keep(what: str, turn: Callable[[], None]) -> None:
        while not stop.wait(RELOAD_EVERY if what == "reloads" else 0.01):
            try:
                turn()
            except (ClientError, AssertionError) as error:
                figures.findings.append(f"{what}: {error}")
                return
            figures.turns[what] += 1

    threads = [threading.Thread(target=keep, args=item) for item in load.turns.items()]
    for thread in threads:
        thread.start()
    while time.monotonic() < begin + seconds and not figures.findings:
        figures.samples.append((time.monotonic() - begin, _memory(server), _descriptors(server)))
        stop.wait(SAMPLE)
    stop.set()
    for thread in threads:
        thread.join()


def _settle(server: KeyServer, figures: Figures, before: tuple[int, int]) -> None:
    """Descriptors and threads come down to what they were; threads of pools may stay, within their number."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while _descriptors(server) > before[0] and time.monotonic() < deadline:
        time.sleep(0.1)  # between two looks
    figures.descriptors = before[0], _descriptors(server)
    figures.threads = before[1], _threads(server)
    if figures.descriptors[1] > figures.descriptors[0]:
        opened = [str(file.readlink()) for file in Path(f"/proc/{server.process.pid}/fd").iterdir()]
        figures.findings.append(f"descriptors were {figures.descriptors}: {sorted(opened)}")


def trial(seconds: float, engines: list[str] | None = None) -> list[Figures]:
    engines = engines or (["engine", "python"] if front.have_engine() else ["python"])
    results: list[Figures] = []

    def one(engine: str) -> None:
        try:
            results.append(soak(engine, seconds))
        except Exception as error:  # a thread of the trial must not end in silence
            results.append(Figures(engine, [(0.0, 0.0, 0)], findings=[f"{type(error).__name__}: {error}"]))

    threads = [threading.Thread(target=one, args=(engine,)) for engine in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.trials.soak")
    parser.add_argument("--full", action="store_true", help="10 minutes")
    parser.add_argument("--minutes", type=float, default=1 / 6)
    parser.add_argument("--engine", choices=("engine", "python"), action="append")
    asked = parser.parse_args()
    results = trial(600 if asked.full else asked.minutes * 60, asked.engine)
    bad = 0
    for figures in results:
        print(figures.text())
        print("\n".join(f"FINDING {finding}" for finding in figures.findings) or "flat")
        bad += len(figures.findings)
    raise SystemExit(bool(bad))


if __name__ == "__main__":
    main()
