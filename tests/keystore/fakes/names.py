"""Names of the internet that lead to loopback, so that an SDK can be tested as it is, with its vendor's own addresses.

In this process by `leading`; in others by the environment of `environment`, which makes Python run `resolver`.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

VARIABLE = "OPENKES_TEST_NAMES"
ROOT = Path(__file__).parents[3]
_real = socket.getaddrinfo


def environment(ports: Mapping[str, int]) -> dict[str, str]:
    """For a process whose connections to these names, on whatever port, are to lead to `ports` of loopback."""
    return {
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent / "resolver"), str(ROOT)]),
        VARIABLE: ",".join(f"{name}={port}" for name, port in ports.items()),
    }


def lead(ports: Mapping[str, int]) -> None:
    """From now on, for good. Every other name of the internet has no address."""

    def getaddrinfo(host: Any, port: Any, *rest: Any, **more: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else str(host)
        if name in ports:
            return _real("127.0.0.1", ports[name], *rest, **more)
        if name not in ("127.0.0.1", "localhost", "::1"):
            raise socket.gaierror(socket.EAI_NONAME, f"{name} has no address in tests")
        return _real(host, port, *rest, **more)

    socket.getaddrinfo = getaddrinfo


@contextmanager
def leading(ports: Mapping[str, int]) -> Iterator[None]:
    lead(ports)
    try:
        yield
    finally:
        socket.getaddrinfo = _real
