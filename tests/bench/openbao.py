"""A real OpenBao with its transit engine: TLS, a root token, no audit. Data keys touch none of its storage.

Must not know loads or figures.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.servers import KEY
from tests.bench.target import BAO, Target
from tests.keystore import bao

LABEL = "OpenBao transit"


def missing() -> str | None:
    """Why there is none here; None where there is."""
    try:
        bao.command()
    except bao.NoBao as error:
        return str(error)
    return None


def version() -> str:
    """Only where it is not `missing`."""
    said = subprocess.run([bao.command(), "version"], capture_output=True, text=True, check=True).stdout
    return said.split()[1]


@contextmanager
def transit(folder: Path) -> Iterator[Target]:
    """A server with the transit key KEY. AssertionError with what it said when it does not start."""
    with bao.running(folder) as server:
        server.transit(KEY)
        assert server.process is not None
        yield Target(LABEL, server.url, KEY, server.ca, kind=BAO, token=server.root, pid=server.process.pid)
