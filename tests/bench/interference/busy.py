"""A busy Flask door: the interpreter, which the hot door needs too, has other work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from tests.bench.interference.scenario import Disturb, Disturbance, Scenario, program
from tests.bench.target import Target
from tests.servers import KeyServer

LIST = ("-what", "list")
METRICS = ("-what", "metrics")
STREAM = ("-what", "stream", "-workers", "4")


def scenarios(keys: int) -> list[Scenario]:
    """`keys`: how many the server has."""

    def prepare(server: KeyServer) -> None:
        with server.client() as admin:
            for number in range(keys):
                admin.create_key(f"filler-{number:06d}")

    many = ("-names", str(keys))
    everything = [((*LIST, *many), "listings"), (METRICS, "scrapes"), (STREAM, "reads of 4 log streams")]
    return [
        Scenario(f"{keys:,} keys are listed in a loop", _one((*LIST, *many), "listings"), prepare=prepare),
        Scenario("metrics are scraped in a loop", _one(METRICS, "scrapes")),
        Scenario("4 audit log streams are read", _one(STREAM, "reads")),
        Scenario("all three at once", _all(everything), prepare=prepare),
    ]


def _one(arguments: Sequence[str], unit: str) -> Disturb:
    return lambda server, target: program(server, target, arguments, unit)


def _all(everything: Sequence[tuple[Sequence[str], str]]) -> Disturb:
    @contextmanager
    def disturb(server: KeyServer, target: Target) -> Iterator[Disturbance]:
        together = Disturbance()
        with ExitStack() as stack:
            parts = [stack.enter_context(program(server, target, *one)) for one in everything]
            yield together
        together.done = ", ".join(part.done for part in parts)
        together.failures = [failure for part in parts for failure in part.failures]

    return disturb
