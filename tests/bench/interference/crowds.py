"""Clients that hold on to something of the server and do nothing: log streams not read, idle connections."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from openkes.front import Limits
from tests.bench.interference.scenario import Disturbance, Scenario, program
from tests.bench.load import Effort, Load, measure
from tests.bench.target import Target
from tests.servers import KeyServer
from tests.trials.slow_clients import program as trial_program
from tests.trials.slow_clients import raise_files

STREAMS = 8
SPARE_FILES = 500  # descriptors of the client beside its connections
FULL = Load("fill", "calls whose lines fill what the kernel keeps for streams", ("-workers", "16"))


def scenarios(idle: int, filling: Effort) -> list[Scenario]:
    """`idle` connections, or as many as this user and the server's limits allow. `filling`: how long lines are made
    before the clock runs."""
    most = min(idle, raise_files() - SPARE_FILES, Limits().connections_per_peer - SPARE_FILES)

    @contextmanager
    def unread(server: KeyServer, target: Target) -> Iterator[Disturbance]:
        holding = ("-what", "unread", "-workers", str(STREAMS))
        with program(server, target, holding, "streams open") as disturbance:
            filled = measure(FULL, target, filling)
            disturbance.failures += filled.failures
            stuck = _unsent(server.port)
            yield disturbance
        disturbance.done += f", {stuck / 1024:,.0f} KiB of lines stuck on their way"

    @contextmanager
    def crowd(server: KeyServer, target: Target) -> Iterator[Disturbance]:
        disturbance = Disturbance()
        with trial_program("idle", server, "-count", str(most)) as connections:
            opened = json.loads(connections.line())
            disturbance.failures += (opened["refused"] or [])[:3]
            yield disturbance
            answered = connections.ask()
            disturbance.failures += (answered["lost"] or [])[:3]
            disturbance.done = f"{opened['open']:,} open, {answered['answered']:,} answered afterwards"

    return [
        Scenario(f"{STREAMS} audit log streams are not read", unread),
        Scenario(f"{most:,} idle TLS connections", crowd),
    ]


def _unsent(port: int) -> int:
    """Bytes that the kernel holds of what a server on this port has sent: proc_net_tcp, the second and fifth column."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(int(row[4].partition(":")[0], 16) for row in rows if int(row[1].partition(":")[2], 16) == port)
