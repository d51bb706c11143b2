"""Which version of a secret is the current one, in a service that has no compare-and-set: whoever writes, adds a
version, and all who look at the same versions come to the same end.

Of several versions that come after the same one, that is the next which says that it has won, and while none does, the
oldest; of those that were created in the same second, the one with the lowest id. The first version comes after none.
A writer says that it has won only when every other writer must have become visible (`SETTLE_SECONDS`), and a reader
waits for that, or for so long that the writer must have died (`UNSAID_SECONDS`). Pure functions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

#: By the service's clock, from when a version is seen: one for the second in which it was created, which others share,
#: and one for the clocks of the service's machines.
SETTLE_SECONDS = 2
#: By the service's clock, since it was created. Longer than a writer takes, to see it and to say so.
UNSAID_SECONDS = 20
NAME, WRITE, AFTER, STATE = "openkes-name", "openkes-write", "openkes-after", "openkes-state"  # of tags
WON, LOST = "won", "lost"


@dataclass(frozen=True, slots=True)
class Version:
    """`created`: seconds since 1970. `name`: of the key. `write`: a writer's own mark. `after`: an id, "" for none."""

    id: str
    created: int
    name: str
    write: str = ""
    after: str = ""
    state: str = ""

    def is_decided(self, now: int) -> bool:
        """`now`: by the service's clock."""
        return self.state == WON or now >= self.created + UNSAID_SECONDS


def chosen(versions: Iterable[Version], after: str) -> Version | None:
    """The one that comes after the version of this id."""
    found = [version for version in versions if version.after == after and version.state != LOST]
    won = [version for version in found if version.state == WON]
    return min(won or found, key=lambda version: (version.created, version.id), default=None)


def chain(versions: Iterable[Version]) -> Iterator[Version]:
    """From the first version to the current one."""
    left = list(versions)
    found = chosen(left, "")
    while found is not None:
        yield found
        left.remove(found)  # what an operator writes into tags must not lead in a circle
        found = chosen(left, found.id)
