"""The servers that are compared when none is named: started together, so that they can be measured in turn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench import ceiling, openbao
from tests.bench.servers import OFF, ON, REQUIRED, openkes
from tests.bench.target import Target


@dataclass(frozen=True, slots=True)
class Servers:
    """The first is the one that the others are compared with. `left_out`: which are missing, and why."""

    targets: list[Target]
    left_out: list[str]


@contextmanager
def started(folder: Path) -> Iterator[Servers]:
    """All of them, below `folder`."""
    left_out = []
    with ExitStack() as stack:
        server, first = stack.enter_context(openkes(ON, folder / "on"))
        targets = [first]
        targets += [stack.enter_context(openkes(label, folder / label.split()[-1]))[1] for label in (OFF, REQUIRED)]
        targets.append(stack.enter_context(ceiling.constant(server, first)))
        if (why := openbao.missing()) is None:
            targets.append(stack.enter_context(openbao.transit(folder / "bao")))
        else:
            left_out.append(f"{openbao.LABEL}: {why}")
        yield Servers(targets, left_out)
