"""The benchmark: how fast is a key server, beside others and beside what is possible on this machine?

    python -m tests.bench [--all] [--quick]
    python -m tests.bench --endpoint URL --key K --cert C --ca CA --key-name NAME [--against URL]

Ratios come first: absolute figures are of one machine. Exit code 1 when a call was not answered rightly.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.bench import life, throughput
from tests.bench.arguments import Asked, parse
from tests.bench.interference import report as interference
from tests.bench.report import Report
from tests.bench.started import started


def run(asked: Asked) -> Report:
    """Everything that was asked for. AssertionError when a server dies, NoGo without a Go."""
    report = Report(asked)
    report.say(*report.head())
    if asked.throughput:
        _throughput(asked, report)
    if asked.interference:
        outcomes, left_out = interference.run(asked.size, asked.effort, asked.rounds, progress)
        report.interference(outcomes, left_out)
    if asked.life:
        progress("life")
        with tempfile.TemporaryDirectory() as name:
            report.life(life.measured(Path(name), asked.runs))
    report.end()
    return report


def _throughput(asked: Asked, report: Report) -> None:
    if asked.foreign:
        rows = throughput.measured(asked.foreign, asked.effort, asked.rounds, own=False, progress=progress)
        report.throughput(rows, asked.foreign[0].label, [])
        return
    with tempfile.TemporaryDirectory() as name, started(Path(name)) as servers:
        rows = throughput.measured(servers.targets, asked.effort, asked.rounds, own=True, progress=progress)
        report.throughput(rows, servers.targets[0].label, servers.left_out)


def progress(text: str) -> None:
    """For whoever waits; not part of the report."""
    print(f"… {text}", file=sys.stderr, flush=True)


def main() -> None:
    raise SystemExit(bool(run(parse()).findings))


if __name__ == "__main__":
    main()
