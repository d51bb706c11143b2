"""What the front refuses by itself, in the audit log and the metrics: too large, too slow, too many at once.

No door sees such a request, and its caller may do nothing; who it was is worth a line all the same.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from openkes.server import proxy, routes
from openkes.server.audit import Record, new_id, now, subject
from openkes.server.peer import Peer, facts
from openkes.server.state import State

Witness = Callable[[str, str, list[tuple[str, str]], Peer, int, float], None]

_log = logging.getLogger(__name__)


def create_witness(state: State) -> Witness:
    """A callable as `openkes.front.OnRefusal`."""

    def refused(
        method: str, target: str, headers: list[tuple[str, str]], peer: Peer, status: int, seconds: float
    ) -> None:
        settings = state.settings
        path = routes.raw_path(target)
        who = proxy.identity(settings.proxy, headers, peer, state.client_authority)
        route, name = routes.find(path)
        about = subject(method, path, who, settings.identities.get(who, ""), routes.key_in(route, name))
        _log.warning(
            "refused before it was read, with %d: %s %s by %s from %s", status, method, path, who, peer.address
        )
        state.record(route, Record(now(), new_id(), facts(peer).origin, about, status, seconds))

    return refused
