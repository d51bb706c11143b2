"""What a run says: the head, the tables, what was not measured, what went wrong; and all of it as JSON."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from tests.bench import machine, throughput
from tests.bench.arguments import Asked
from tests.bench.interference import report as interference
from tests.bench.interference.scenario import Outcome
from tests.bench.life import Life
from tests.bench.throughput import Row

HOW_TO_READ = (
    "Ratios are those of {subject} to the server of the line: rate more than 1 is faster, times and CPU less than 1.",
    "Medians of rounds, with lowest and highest; a ratio is the median of each round's. Times are of one call.",
)
NOT_MEASURED = (
    "the original KES server: point --endpoint and --against at a new and an old server to compare them",
    "a network: clients and servers share this machine and its processors",
    "OpenBao with audit or policies: its client has the root token",
)


class Report:
    """Prints as it goes."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._begin = time.monotonic()
        self.facts = machine.facts()
        self.findings: list[str] = []
        self.left_out: list[str] = []
        self.lines: list[str] = []
        self._data: dict[str, Any] = {}

    def say(self, *lines: str) -> None:
        self.lines += lines
        print("\n".join(lines), flush=True)

    def head(self) -> list[str]:
        asked = self._asked
        one_in = f"one in {asked.effort.verify:,}" if asked.effort.verify > 1 else "each"
        settings = (
            f"{asked.rounds} rounds of {asked.effort.seconds:g} s, all in turn; {one_in} data key is opened again"
        )
        return [f"{name:12} {text}" for name, text in {**self.facts, "settings": settings}.items()]

    def throughput(self, rows: Sequence[Row], subject: str, missing: Sequence[str]) -> None:
        self.say("", *(line.format(subject=subject) for line in HOW_TO_READ), *throughput.text(rows, subject))
        self.findings += throughput.findings(rows)
        self.left_out += [
            *missing,
            *(f"{title}: {why}" for title, why in throughput.left_out(throughput.LOADS).items()),
        ]
        self._data["throughput"] = {
            row.load.name: {label: [asdict(sample) for sample in samples] for label, samples in row.samples.items()}
            for row in rows
        }

    def interference(self, outcomes: Sequence[Outcome], missing: Sequence[str]) -> None:
        self.say(*interference.text(outcomes))
        self.findings += interference.findings(outcomes)
        self.left_out += missing
        self._data["interference"] = [asdict(outcome) for outcome in outcomes]

    def life(self, life: Life) -> None:
        self.say("", "Life", *("  " + line for line in life.text()))
        self._data["life"] = asdict(life)

    def end(self) -> None:
        """What was not measured, what went wrong, the file."""
        self.say("", *(f"not measured: {what}" for what in (*self.left_out, *NOT_MEASURED)))
        self.say(f"took {time.monotonic() - self._begin:.0f} s; load after {os.getloadavg()[0]:.2f}")
        self.say(*([f"FINDING {finding}" for finding in self.findings] or ["every call was answered rightly"]))
        if self._asked.json is not None:
            known = {"facts": self.facts, "findings": self.findings, "left_out": self.left_out}
            self._asked.json.write_text(json.dumps({**known, **self._data}, indent=1) + "\n")
