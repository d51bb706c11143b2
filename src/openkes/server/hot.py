"""The hot door: calls on a key that is in memory, answered on the front's own threads, one at a time.

Same guard, same handlers, same table as the Flask door. Memory only: whatever would touch the store, or is not
plain, is passed on by answering None. What was decided about a call is remembered for the next one like it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from openkes import api, names
from openkes.api import Spec
from openkes.errors import APIError, Code
from openkes.server import failures, guard, routes
from openkes.server.audit import Record, new_id, now, subject
from openkes.server.metrics import Histogram
from openkes.server.peer import Facts, Peer, facts
from openkes.server.state import Settings, State

Door = Callable[[str, str, Peer, int | None, bytes], tuple[int, bytes] | None]

_PREFIX = "/v1/key/"
_TABLE = {
    spec.path[len(_PREFIX) : -1]: (spec, routes.DATA[name]) for name, spec in api.BY_NAME.items() if name in routes.DATA
}
#: Calls, of about 600 bytes each; MinIO makes four for each of its keys. When there are more, all are forgotten.
MAX_REMEMBERED = 8_192


@dataclass(slots=True)
class _Call:
    """What all calls have in common that one identity makes with one method on one path. `allowed`: the guard has let
    one through, and would let through every other under the same settings with a certificate that counts."""

    method: str
    name: str
    spec: Spec
    handler: routes.DataHandler
    subject: str
    answered: Histogram
    allowed: bool = False


def _read(state: State, settings: Settings, method: str, path: str, identity: str) -> _Call | None:
    """None: the other door's."""
    if not path.startswith(_PREFIX):
        return None
    operation, _, name = path[len(_PREFIX) :].partition("/")
    route = _TABLE.get(operation)
    # A valid name has no escapes, slashes or query: then the raw path is the path.
    if route is None or not names.is_valid(name):
        return None
    # Whom a proxy speaks for stands in a header, which only the Flask door sees.
    if identity in settings.proxy.identities:
        return None
    spec, handler = route
    about = subject(method, path, identity, settings.identities.get(identity, ""), name)
    return _Call(method, name, spec, handler, about, state.metrics.alone(spec.name))


def create_door(state: State) -> Door:
    """A callable as `openkes.front.HotDoor`."""
    keys = state.keys
    clock = time.perf_counter
    #: Allowed calls by identity and path, and the settings that allowed them. A reload makes new settings.
    known: tuple[Settings | None, dict[tuple[str, str], _Call]] = (None, {})

    def door(method: str, path: str, peer: Peer, declared_length: int | None, body: bytes) -> tuple[int, bytes] | None:
        nonlocal known
        settings = state.settings  # a reload meanwhile changes nothing for this request
        of, calls = known
        if of is not settings:
            of, calls = known = (settings, {})
        call = calls.get((peer.identity, path))
        if call is None or call.method != method:
            call = _read(state, settings, method, path, peer.identity)
            if call is None:
                return None
        key = keys.peek(call.name)
        if key is None:
            return None
        begin = clock()
        about = peer.state if isinstance(peer.state, Facts) else facts(peer)
        try:
            if not (call.allowed and about.certified):
                routes.check_method(call.spec, method)
                guard.check(settings, call.spec, path, peer)
                if about.certified:
                    _remember(calls, peer.identity, path, call)
            status, answer = 200, call.handler(call.name, key, routes.check_size(call.spec, body))
        except Exception as error:  # the outermost edge of this door: an answer and an audit line, whatever happens
            if isinstance(error, APIError) and error.code is Code.NOT_AUTHENTIC:
                return None  # the store may know a newer version
            status, answer = failures.answer(error, path)
        record = Record(now(), new_id(), about.origin, call.subject, status, clock() - begin)
        refusal = state.write(call.spec.name, record)
        if refusal is not None:
            status, answer = failures.answer(refusal, path)
        if status == 200:
            call.answered.add(record.duration)
        else:
            state.metrics.observe(call.spec.name, status, record.duration)
        return status, answer

    return door


def _remember(calls: dict[tuple[str, str], _Call], identity: str, path: str, call: _Call) -> None:
    call.allowed = True
    if len(calls) >= MAX_REMEMBERED:
        calls.clear()
    calls[identity, path] = call
