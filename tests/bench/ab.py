"""ApacheBench (`ab`, Debian's apache2-utils) as a client: cheaper than any SDK, so more of the machine is the server's.

It looks at status and length of an answer only.
"""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.bench.figures import Sample
from tests.bench.target import Target

CLIENTS = 16
MOST_CALLS = 10_000_000  # the time ends a run, not the number
START_SECONDS = 60.0


def missing() -> str | None:
    """Why there is no such client here; None where there is."""
    return None if shutil.which("ab") else "ab is not installed (Debian: apache2-utils)"


def version() -> str:
    said = subprocess.run(["ab", "-V"], capture_output=True, text=True, check=True).stdout
    return "ab " + said.partition("Version ")[2].split(" ")[0]


def measure(target: Target, seconds: float) -> Sample:
    """Data keys over HTTP/1.1 with keep-alive. `ab` knows whole seconds only."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        body, pair, table = folder / "body.json", folder / "pair.pem", folder / "percent.csv"
        body.write_text('{"context":"eyJidWNrZXQiOiJidWNrZXQvb2JqZWN0In0="}')
        pair.touch(mode=0o600)
        assert target.cert is not None and target.key is not None
        pair.write_bytes(target.cert.read_bytes() + b"\n" + target.key.read_bytes())
        length = max(1, round(seconds))
        # -t sets a number of calls, which the -n after it corrects; -l: ciphertexts need not be of one length
        options = ["-q", "-l", "-k", "-c", str(CLIENTS), "-t", str(length), "-n", str(MOST_CALLS), "-E", str(pair)]
        options += ["-T", "application/json", "-u", str(body), "-e", str(table)]
        before = target.cpu()
        done = subprocess.run(
            ["ab", *options, f"{target.endpoint}/v1/key/generate/{target.key_name}"],
            capture_output=True,
            text=True,
            check=False,
            timeout=length + START_SECONDS,
        )
        after = target.cpu()
        if done.returncode:
            return Sample(0, 0.0, failed=1, failures=[f"ab: {done.stderr.strip()[-500:]}"])
        percent = _percentiles(table)
    return _sample(done.stdout, percent, None if before is None or after is None else after - before, target.rss())


def _percentiles(table: Path) -> dict[int, float]:
    """Percentage to milliseconds."""
    with table.open(newline="") as file:
        return {int(share): float(time) for share, time in list(csv.reader(file))[1:]}


def _sample(said: str, percent: dict[int, float], cpu: float | None, rss: int | None) -> Sample:
    def number(name: str) -> float:
        found = re.search(rf"^{name}:\s+([\d.]+)", said, re.MULTILINE)
        return float(found[1]) if found else 0.0

    calls, failed = int(number("Complete requests")), int(number("Failed requests") + number("Non-2xx responses"))
    failures = [f"ab counts {failed} failed calls of {calls}"] if failed else []
    if number("Keep-Alive requests") < calls:
        failures.append(f"{calls - int(number('Keep-Alive requests'))} of {calls} connections were not kept")
    return Sample(
        calls=calls,
        seconds=number("Time taken for tests"),
        p50=percent[50],
        p99=percent[99],
        worst=max(percent.values()),
        cpu=cpu,
        rss=rss,
        protocol="HTTP/1.1",
        failed=failed,
        failures=failures,
    )
