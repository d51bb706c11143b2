"""The routes about the server itself: version, ready, status, api."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path

from openkes import api
from openkes.errors import APIError, Code
from openkes.keystore import Unreachable
from openkes.server import wire
from openkes.server.state import State

_ARCH = {"x86_64": "amd64", "aarch64": "arm64"}  # as Go names them
_PAGE = os.sysconf("SC_PAGE_SIZE")
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
    document: dict[str, object] = {
        "version": state.version,
        "os": platform.system().lower(),
        "arch": _ARCH.get(platform.machine(), platform.machine()),
        "uptime": int(time.monotonic() - state.started),
        "num_cpu": os.cpu_count() or 1,
        "num_cpu_used": len(os.sched_getaffinity(0)),
        **_memory(),
    }
    try:
        # Whole microseconds, at least one: 0 would read as "not measured".
        document["keystore_latency"] = max(1, int(state.keys.store.status().latency * 1e6))
    except Unreachable:
        document["keystore_unreachable"] = True
    return wire.encode(document)


def _memory() -> dict[str, int]:
    """Bytes: resident data for the heap; the main thread's stack as the kernel counts it."""
    try:
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
        lines = Path("/proc/self/status").read_text().splitlines()
        stack = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmStk:")), 0)
    except OSError:
        return {"mem_heap_used": 0, "mem_stack_used": 0}
    return {"mem_heap_used": resident, "mem_stack_used": stack}


def routes(state: State) -> bytes:
    """The table, with the time limits that the configuration changed."""
    changed = state.settings.api
    return wire.encode(
        [
            {
                "method": spec.method,
                "path": spec.path,
                "max_body": spec.max_body,
                "timeout": int(_timeout(spec, changed.get(spec.path))),
            }
            for spec in api.SPECS
        ]
    )


def _timeout(spec: api.Spec, changed: object) -> float:
    timeout = getattr(changed, "timeout", None)
    return spec.timeout if timeout is None else float(timeout)
