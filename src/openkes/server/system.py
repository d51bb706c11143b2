"""The routes about the server itself: version, ready, status, api."""

from __future__ import annotations

import os
import platform
import time

from openkes import api
from openkes.config.schema import RouteSettings
from openkes.errors import APIError, Code
from openkes.keystore import Unreachable
from openkes.server import wire
from openkes.server.memory import memory_used
from openkes.server.state import State

_ARCH = {"x86_64": "amd64", "aarch64": "arm64"}  # as Go names them
COMMIT = "openkes"  # the SDK wants a text; releases are told apart by the version


def version(state: State) -> bytes:
    return wire.encode({"version": state.version, "commit": COMMIT})


def ready(state: State) -> None:
    """APIError STORE_NOT_READY when the store does not answer."""
    try:
        state.keys.store.status()
    except Unreachable as error:
        raise APIError(Code.STORE_NOT_READY) from error


def status(state: State) -> bytes:
    memory = memory_used()
    document: dict[str, object] = {
        "version": state.version,
        "os": platform.system().lower(),
        "arch": _ARCH.get(platform.machine(), platform.machine()),
        "uptime": int(time.monotonic() - state.started),
        "num_cpu": os.cpu_count() or 1,
        "num_cpu_used": len(os.sched_getaffinity(0)),
        "mem_heap_used": memory.resident,
        "mem_stack_used": memory.stack,
        "configuration": state.settings.digest,
    }
    try:
        # Whole microseconds, at least one: 0 would read as "not measured".
        document["keystore_latency"] = max(1, int(state.keys.store.status().latency * 1e6))
    except Unreachable:
        document["keystore_unreachable"] = True
    return wire.encode(document)


def routes(state: State) -> bytes:
    """The table, with the time limits that the configuration changed."""
    changed = state.settings.api
    return wire.encode(
        [
            {
                "method": spec.method,
                "path": spec.path,
                "max_body": spec.max_body,
                "timeout": int(timeout(spec, changed.get(spec.path))),
            }
            for spec in api.SPECS
        ]
    )


def timeout(spec: api.Spec, changed: RouteSettings | None) -> float:
    """Seconds a call of this route may take, 0 for no limit."""
    return spec.timeout if changed is None or changed.timeout is None else changed.timeout
