"""What stands between TCP and the application: TLS, HTTP, limits, time-outs, reload, drain.

Two engines behind one interface: `openkes.front.engine` (Rust, HTTP/1.1 and HTTP/2) and
`openkes.front.python` (pure Python, HTTP/1.1). Nothing outside this package knows which one runs,
and nothing inside it knows keys, names, policies or JSON beyond the error body it is handed.
"""

from __future__ import annotations

import importlib

from openkes.front.types import (
    Application,
    CannotRun,
    Front,
    Headers,
    HotDoor,
    Limits,
    OnRefusal,
    Peer,
    Response,
    TLSFiles,
    TLSFilesError,
)

__all__ = [
    "Application",
    "CannotRun",
    "Front",
    "Headers",
    "HotDoor",
    "Limits",
    "OnRefusal",
    "Peer",
    "Response",
    "TLSFiles",
    "TLSFilesError",
    "have_engine",
    "start",
]


def have_engine() -> bool:
    """True when the compiled engine is installed and loads."""
    try:
        importlib.import_module("openkes_engine")
    except ImportError:  # absent, or built for another machine
        return False
    return True


def _nobody(*_: object) -> None:
    """Told of what is refused, when nobody wants to be."""


def start(
    host: str,
    port: int,
    files: TLSFiles,
    hot: HotDoor,
    application: Application,
    *,
    refused: OnRefusal = _nobody,
    limits: Limits | None = None,
    engine: bool | None = None,
) -> Front:
    """Listen and serve in background threads. `engine`: True or False to insist, None for the best there is.

    Raises OSError (with errno) when it cannot listen, TLSFilesError when it cannot use the files, ImportError
    when the engine is insisted upon and not installed, CannotRun when it may not do here what it needs.
    """
    limits = limits or Limits()
    if have_engine() if engine is None else engine:
        from openkes.front.engine import EngineFront  # noqa: PLC0415  # it may not be installed

        return EngineFront(host, port, files, hot, application, refused, limits)
    from openkes.front.python import PythonFront  # noqa: PLC0415  # not loaded beside the engine

    return PythonFront(host, port, files, hot, application, refused, limits)
