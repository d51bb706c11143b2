"""The route table: every path with its handler. One truth for both doors.

A handler gets a `Call` and returns the body of a 200, b"" for none; everything else is an exception. Data handlers
are functions of a key: the hot door calls them when the key is in memory, the Flask door fetches it first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote

from openkes import api, names
from openkes.api import Spec
from openkes.crypto.entry import Key
from openkes.errors import APIError, Code
from openkes.server import identities, keys, policies, system
from openkes.server.logs import Subscription
from openkes.server.metrics import Text
from openkes.server.peer import Peer
from openkes.server.state import State

DataHandler = Callable[[str, Key, bytes], bytes]


@dataclass(frozen=True, slots=True)
class Call:
    """`name` is what follows the route's path, unescaped."""

    state: State
    peer: Peer
    name: str
    body: bytes


#: bytes: a JSON body; None: an empty one; `Text`: another type; a `Subscription`: a stream of JSON lines.
Answer = bytes | None | Text | Subscription
Handler = Callable[[Call], Answer]

DATA: dict[str, DataHandler] = {
    "key_generate": keys.generate,
    "key_encrypt": keys.encrypt,
    "key_decrypt": keys.decrypt,
    "key_hmac": keys.hmac_,
    "key_describe": keys.describe,
}


def _with_key(handler: DataHandler) -> Handler:
    def call(call: Call) -> bytes:
        key = call.state.keys.get(names.check(call.name))
        try:
            return handler(call.name, key, call.body)
        except APIError as error:
            # Another server may have rotated the key: its ciphertexts must open here at once.
            newer = call.state.keys.newer(call.name, key) if error.code is Code.NOT_AUTHENTIC else None
            if newer is None:
                raise
        return handler(call.name, newer, call.body)

    return call


HANDLERS: dict[str, Handler] = {
    **{name: _with_key(handler) for name, handler in DATA.items()},
    "version": lambda call: system.version(call.state),
    "ready": lambda call: system.ready(call.state),
    "status": lambda call: system.status(call.state),
    "api": lambda call: system.routes(call.state),
    "key_create": lambda call: keys.create(call.state.lifecycle, call.name, call.peer.identity),
    "key_rotate": lambda call: keys.rotate(call.state.lifecycle, call.name, call.peer.identity),
    "key_undelete": lambda call: keys.undelete(call.state.lifecycle, call.name),
    "key_pending": lambda call: keys.pending(call.state.lifecycle, call.name),
    "key_import": lambda call: keys.import_(call.state.lifecycle, call.name, call.peer.identity, call.body),
    "key_delete": lambda call: keys.delete(call.state.lifecycle, call.name),
    "policy_describe": lambda call: policies.describe(call.state.settings, call.name),
    "policy_read": lambda call: policies.read(call.state.settings, call.name),
    "policy_list": lambda call: policies.list_(call.state.settings, call.name),
    "identity_describe": lambda call: identities.describe(call.state.settings, call.name),
    "identity_list": lambda call: identities.list_(call.state.settings, call.name),
    "metrics": lambda call: call.state.metrics.exposition(call.state),
    "log_error": lambda call: call.state.error_lines.subscribe(),
    "log_audit": lambda call: call.state.audit_lines.subscribe(),
    "identity_self": lambda call: identities.self_describe(call.state.settings, call.peer.identity),
    "key_list": lambda call: keys.list_(call.state, call.name),
}


class Waits(Exception):
    """This call has to ask the key store."""


def _with_key_in_memory(handler: DataHandler) -> Handler:
    def call(call: Call) -> bytes:
        key = call.state.keys.peek(names.check(call.name))
        if key is None:
            raise Waits
        try:
            return handler(call.name, key, call.body)
        except APIError as error:
            if error.code is Code.NOT_AUTHENTIC:
                raise Waits from None  # the store may know a newer version
            raise

    return call


_MEMORY_ONLY = (
    *("version", "api", "metrics", "log_error", "log_audit"),
    *("policy_describe", "policy_read", "policy_list", "identity_describe", "identity_list", "identity_self"),
)
#: What is answered from memory, or raises Waits. It needs no bound on its time, and so no thread of its own.
AT_ONCE: dict[str, Handler] = {
    **{name: _with_key_in_memory(handler) for name, handler in DATA.items()},
    **{name: HANDLERS[name] for name in _MEMORY_ONLY},
}


def check_method(spec: Spec, method: str) -> None:
    """POST is accepted as PUT. APIError BAD_METHOD."""
    if method != spec.method and not (spec.method == "PUT" and method == "POST"):
        raise APIError(Code.BAD_METHOD, method=method, expected=spec.method)


def check_size(spec: Spec, body: bytes) -> bytes:
    """The body a handler may see: b"" on routes that take none. APIError TOO_LARGE."""
    if not spec.max_body:
        return b""
    if len(body) > spec.max_body:
        raise APIError(Code.TOO_LARGE)
    return body


def clean(path: str) -> str:
    """The raw path without empty, `.` and `..` segments, and with the slash that a name route wants."""
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            kept[-1:] = []
        elif segment not in ("", "."):
            kept.append(segment)
    cleaned = "/" + "/".join(kept)
    if segments and segments[-1] == "" and kept:
        cleaned += "/"
    if f"{cleaned}/" in api.BY_PATH:
        cleaned += "/"
    return cleaned


def find(path: str) -> tuple[str, str]:
    """The name of the route that a raw path leads to, "none" without one, and the unescaped name in the path."""
    path = unescape(path)
    parts = path.split("/", 4)
    spec, name = api.BY_PATH.get(path), ""
    if spec is None and len(parts) > 4:
        spec, name = api.BY_PATH.get("/".join(parts[:4]) + "/"), parts[4]
    return (spec.name, name) if spec else ("none", "")


def key_in(route: str, name: str) -> str:
    """The key that a request is about, "" when it names none."""
    is_key = route.startswith("key_") and route != "key_list"
    return name if is_key and names.is_valid(name) else ""


def raw_path(target: str) -> str:
    """A request target without its query."""
    return target.partition("?")[0]


def unescape(path: str) -> str:
    return unquote(path, errors="replace") if "%" in path else path
