"""The hot door: calls on a key that is in memory, answered on the front's own thread.

Same guard, same handlers, same table as the Flask door. Memory only: whatever would touch the store, or is not
plain, is passed on by answering None.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from openkes import api, names
from openkes.errors import APIError, Code
from openkes.server import failures, guard, routes
from openkes.server.audit import Record, new_id, now
from openkes.server.state import State

Door = Callable[[str, str, guard.Peer, int | None, bytes], tuple[int, bytes] | None]

_PREFIX = "/v1/key/"


def create_door(state: State) -> Door:
    """A callable as `openkes.front.HotDoor`."""
    table = {
        spec.path[len(_PREFIX) : -1]: (spec, routes.DATA[name])
        for name, spec in api.BY_NAME.items()
        if name in routes.DATA
    }
    keys = state.keys
    clock = time.perf_counter

    def door(
        method: str, path: str, peer: guard.Peer, declared_length: int | None, body: bytes
    ) -> tuple[int, bytes] | None:
        if not path.startswith(_PREFIX):
            return None
        operation, _, name = path[len(_PREFIX) :].partition("/")
        route = table.get(operation)
        # A valid name has no escapes, slashes or query: then the raw path is the path.
        if route is None or not names.is_valid(name):
            return None
        key = keys.peek(name)
        settings = state.settings  # a reload meanwhile changes nothing for this request
        # Whom a proxy speaks for stands in a header, which only the Flask door sees.
        if key is None or peer.identity in settings.proxy.identities:
            return None
        begin = clock()
        spec, handler = route
        try:
            routes.check_method(spec, method)
            guard.check(settings, spec, path, peer)
            status, answer = 200, handler(name, key, routes.check_size(spec, body))
        except Exception as error:  # the outermost edge of this door: an answer and an audit line, whatever happens
            if isinstance(error, APIError) and error.code is Code.NOT_AUTHENTIC and not keys.is_fresh(name):
                return None  # the store may know a newer version
            status, answer = failures.answer(error, path)
        who = peer.identity
        policy = settings.identities.get(who, "")
        refusal = state.record(
            spec.name,
            Record(now(), peer.address, method, path, who, status, clock() - begin, new_id(), policy, name),
        )
        return failures.answer(refusal, path) if refusal else (status, answer)

    return door
