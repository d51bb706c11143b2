"""The Flask door: every route, error and hook.

The front hands each request's peer and declared length over in the WSGI environment. Names come unescaped, as
WSGI gives them; whether a path is clean is judged on the raw target.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException, NotFound

from openkes import api
from openkes.errors import APIError, Code
from openkes.server import failures, guard, proxy, routes, system, wire
from openkes.server.audit import Record, new_id, subject
from openkes.server.audit import now as wall_clock
from openkes.server.logs import Subscription
from openkes.server.metrics import Text
from openkes.server.peer import facts
from openkes.server.state import State

_log = logging.getLogger(__name__)

JSON = "application/json"
#: Every method reaches a route, so that the answer to a wrong one names the right one.
METHODS = ["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"]


def create_app(state: State) -> Flask:
    app = Flask("openkes", static_folder=None)
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = True
    app.url_map.redirect_defaults = False
    for spec in api.SPECS:
        _add(app, state, spec)

    @app.before_request
    def begin() -> Response | None:
        g.begin = time.perf_counter()
        g.route = "none"
        g.id = new_id()
        state.metrics.begin()
        return _redirect()

    @app.after_request
    def finish(response: Response) -> Response:
        state.metrics.end()
        refusal = _audit(state, response.status_code)
        if refusal is not None:
            response = _failure(refusal)
        response.headers["X-Request-Id"] = g.id
        return response

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        if isinstance(error, NotFound):
            return _failure(APIError(Code.NOT_FOUND))
        status = error.code or 500
        return Response(wire.error_body(error.name.lower()), status, content_type=JSON)

    @app.errorhandler(Exception)
    def any_error(error: Exception) -> Response:
        return _failure(error)

    return app


def _add(app: Flask, state: State, spec: api.Spec) -> None:
    view = _view(state, spec)
    options: dict[str, Any] = {"methods": METHODS, "provide_automatic_options": False}
    app.add_url_rule(spec.path, spec.name, view, **options)
    if spec.takes_name:
        app.add_url_rule(f"{spec.path}<path:name>", spec.name, view, **options)


def _view(state: State, spec: api.Spec) -> Callable[..., Response]:
    handler = routes.HANDLERS[spec.name]
    at_once = routes.AT_ONCE.get(spec.name)
    deadline = state.deadline

    def bounded(call: routes.Call, limit: float) -> routes.Answer:
        return deadline.run(lambda: handler(call), limit) if limit else handler(call)

    def view(name: str = "") -> Response:
        g.route = spec.name
        routes.check_method(spec, request.method)
        settings = state.settings  # a reload meanwhile changes nothing for this request
        route = settings.api.get(spec.path)
        peer = request.environ["openkes.peer"] = proxy.caller(
            settings.proxy, request, state.client_authority, route is not None and route.skip_auth
        )
        guard.check(settings, spec, spec.path + name, peer)
        state.may_begin(spec.name)
        body = routes.check_size(spec, request.get_data(cache=False))
        call = routes.Call(state, peer, name, body)
        limit = system.timeout(spec, route)
        try:
            answer = at_once(call) if at_once else bounded(call, limit)
        except routes.Waits:
            answer = bounded(call, limit)
        if limit and isinstance(answer, Subscription):
            answer.end_after(limit)
        return _response(answer)

    return view


def _response(answer: routes.Answer) -> Response:
    if isinstance(answer, Text):
        body = answer.body if "Accept" in request.headers else answer.plain
        return Response(body, 200, content_type=answer.content_type)
    if isinstance(answer, Subscription):
        # Passed through as it is, the front can close it while it waits for a line, when the client has gone.
        return Response(answer, 200, content_type="application/x-ndjson", direct_passthrough=True)
    if answer:
        return Response(answer, 200, content_type=JSON)
    response = Response(b"", 200)
    del response.headers["Content-Type"]
    return response


def _redirect() -> Response | None:
    """As Go's server: a path that is not clean is answered with the clean one, and nothing is done."""
    target = request.environ["RAW_URI"]
    path = routes.raw_path(target)
    cleaned = routes.clean(path)
    if cleaned == path:
        return None
    query = target[len(path) :]
    response = Response(b"", 307, content_type=JSON)
    response.headers["Location"] = cleaned + query
    response.autocorrect_location_header = False
    return response


def _failure(error: Exception) -> Response:
    status, body = failures.answer(error, request.path)
    return Response(body, status, content_type=JSON)


def _audit(state: State, status: int) -> APIError | None:
    peer = request.environ["openkes.peer"]
    path = routes.raw_path(request.environ["RAW_URI"])
    who = peer.identity
    key = routes.key_in(g.route, (request.view_args or {}).get("name", ""))
    about = subject(request.method, path, who, state.settings.identities.get(who, ""), key)
    duration = time.perf_counter() - g.begin
    refusal = state.record(g.route, Record(wall_clock(), g.id, facts(peer).origin, about, status, duration))
    if refusal is not None and state.changes(g.route):
        _log.error("%s by %s is done, and not in the audit log", path, who)
    return refusal
