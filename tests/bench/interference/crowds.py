"""Clients that hold on to something of the server and do nothing: log streams not read, idle connections."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

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
        unread = ("-what", "unread", "-workers", str(STREAMS))
        with program(server, target, unread, "streams open") as disturbance:
            filled = measure(FULL, target, filling)
            disturbance.failures += filled.failures
            yield disturbance
        disturbance.done += f", {filled.calls:,} lines before the clock ran"

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
