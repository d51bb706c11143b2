"""The command line. Must not start anything."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from tests.bench.interference.report import Size
from tests.bench.load import Effort
from tests.bench.target import Target

ROUNDS, SECONDS, RUNS = 5, 2.0, 10
QUICK_SECONDS = 0.2
EPILOG = """\
Without --endpoint it starts servers of this checkout, OpenBao and the ceiling on loopback. With it, it measures the
server at that URL: it asks for data keys and opens them, and changes nothing there; every call is a line in that
server's audit log, and the load is all that it can take."""


@dataclass(frozen=True, slots=True)
class Asked:
    """`foreign`: one or two servers, the first divided by the second; none: those started here."""

    foreign: list[Target]
    throughput: bool
    interference: bool
    life: bool
    effort: Effort
    size: Size
    rounds: int
    runs: int
    json: Path | None


def parse(words: list[str] | None = None) -> Asked:
    """Exits with a sentence when the words make no sense."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", epilog=EPILOG)
    parser.add_argument("--quick", action="store_true", help="one short round: for right answers, not for time")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of each measurement; medians count (%(default)s)")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of one measurement (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every single figure there too")
    part = parser.add_argument_group("parts (throughput when none is named)")
    part.add_argument("--throughput", action="store_true", help="calls per second and times of a call")
    part.add_argument("--interference", action="store_true", help="times of a call while something else goes on")
    part.add_argument("--life", action="store_true", help="start, command line, memory at rest")
    part.add_argument("--all", action="store_true", help="all three")
    part.add_argument("--idle", type=int, default=Size().idle, help="idle connections (%(default)s)")
    part.add_argument("--runs", type=int, default=RUNS, help="of --life (%(default)s)")
    foreign = parser.add_argument_group("a server that runs elsewhere")
    foreign.add_argument("--endpoint", metavar="URL")
    foreign.add_argument("--key", type=Path, help="the client's private key")
    foreign.add_argument("--cert", type=Path, help="the client's certificate")
    foreign.add_argument("--ca", type=Path, help="who signed the server's certificate; the system's roots without it")
    foreign.add_argument("--key-name", metavar="NAME", help="a master key that is there already")
    foreign.add_argument(
        "--against", metavar="URL", help="a second server, which the first one's figures are divided by"
    )
    for name, kind in (("key", Path), ("cert", Path), ("ca", Path), ("key-name", str)):
        foreign.add_argument(f"--against-{name}", type=kind, help=f"--{name} of the second, where it differs")
    asked = parser.parse_args(words)
    return _checked(parser, asked)


def _checked(parser: argparse.ArgumentParser, asked: argparse.Namespace) -> Asked:
    for name in ("rounds", "seconds", "runs"):
        if getattr(asked, name) <= 0:
            parser.error(f"--{name} must be more than 0")
    foreign = _foreign(parser, asked)
    if foreign and (asked.interference or asked.life or asked.all):
        parser.error("--interference and --life are of servers that are started here: leave out --endpoint")
    parts = {name: getattr(asked, name) or asked.all for name in ("throughput", "interference", "life")}
    if not any(parts.values()):
        parts["throughput"] = True
    if asked.quick:
        size = Size(keys=100, idle=min(asked.idle, 100), store=500, disk=100, filling=QUICK_SECONDS)
        return Asked(
            foreign, **parts, effort=Effort(QUICK_SECONDS, 1, 100), size=size, rounds=1, runs=1, json=asked.json
        )
    return Asked(
        foreign,
        **parts,
        effort=Effort(asked.seconds, 1000, 1000),
        size=Size(idle=asked.idle),
        rounds=asked.rounds,
        runs=asked.runs,
        json=asked.json,
    )


def _foreign(parser: argparse.ArgumentParser, asked: argparse.Namespace) -> list[Target]:
    if asked.endpoint is None:
        if asked.against is not None:
            parser.error("--against is the second server: name the first with --endpoint")
        return []
    if None in (asked.key, asked.cert, asked.key_name):
        parser.error("--endpoint needs --key, --cert and --key-name")
    url = asked.endpoint.rstrip("/")
    first = Target(url, url, asked.key_name, asked.ca, asked.cert, asked.key)
    if asked.against is None:
        return [first]
    url = asked.against.rstrip("/")
    label = url if url != first.label else f"{url} again"  # against itself: how much is noise
    return [
        first,
        Target(
            label,
            url,
            asked.against_key_name or first.key_name,
            asked.against_ca or first.ca,
            asked.against_cert or first.cert,
            asked.against_key or first.key,
        ),
    ]
