"""A busy Flask door: the interpreter, which the hot door needs too, has other work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

from tests.bench.interference.scenario import Disturb, Disturbance, Scenario, program
from tests.bench.target import Target
from tests.servers import KeyServer

METRICS = (("-what", "metrics"), "scrapes")
STREAMS = (("-what", "stream", "-workers", "4"), "reads of 4 log streams")
MAKERS = 8  # of keys, at once: each waits for the disk


def scenarios(keys: int) -> list[Scenario]:
    """`keys`: how many the server has, by `make_keys`."""
    listing = (("-what", "list", "-names", str(keys)), "listings")
    return [
        Scenario(f"{keys:,} keys are listed in a loop", _all(listing)),
        Scenario("metrics are scraped in a loop", _all(METRICS)),
        Scenario("4 audit log streams are read", _all(STREAMS)),
        Scenario("all three at once", _all(listing, METRICS, STREAMS)),
    ]


def make_keys(server: KeyServer, count: int) -> None:
    def make(first: int) -> None:
        with server.client() as admin:
            for number in range(first, count, MAKERS):
                admin.create_key(f"filler-{number:06d}")

    with ThreadPoolExecutor(MAKERS) as makers:
        list(makers.map(make, range(MAKERS)))


def _all(*programs: tuple[Sequence[str], str]) -> Disturb:
    """Arguments and units of the programs that run together."""

    @contextmanager
    def disturb(server: KeyServer, target: Target) -> Iterator[Disturbance]:
        together = Disturbance()
        with ExitStack() as stack:
            parts = [stack.enter_context(program(server, target, *one)) for one in programs]
            yield together
        together.done = ", ".join(part.done for part in parts)
        together.failures = [failure for part in parts for failure in part.failures]

    return disturb
