"""The servers of this project that are measured, each in a folder of its own: openkes as an operator runs it, with a
client that has a policy and is not the admin. Must not know loads or figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.bench.target import Target
from tests.servers import KeyServer, make_identity, running

KEY = "bench"
ON, OFF, REQUIRED = "openkes, audit on", "openkes, audit off", "openkes, audit required"


def audit_settings(label: str, file: Path) -> dict[str, Any]:
    """Sections of the configuration."""
    if label == OFF:
        return {"log": {"audit": "off"}}
    return {"audit": {"file": str(file), "mode": "required" if label == REQUIRED else "best-effort"}}


@contextmanager
def openkes(
    label: str, folder: Path, config: Mapping[str, Any] | None = None, environment: Mapping[str, str] | None = None
) -> Iterator[tuple[KeyServer, Target]]:
    """A server on a key store of files, with the key KEY; and how the load sees it. `config` as in
    `tests.servers.running`; a traceback in its log is an AssertionError."""
    folder.mkdir(parents=True, exist_ok=True)
    client = make_identity(folder, "client")
    paths = [f"/v1/key/{call}/{KEY}" for call in ("generate", "decrypt", "describe")]
    sections = {
        "policy": {"client": {"allow": paths, "identities": [client.identity]}},
        "keys": [{"name": KEY}],
        **audit_settings(label, folder / "audit.jsonl"),
        **(config or {}),
    }
    with running(folder, sections, environment=environment) as server:
        yield server, Target(label, server.url, KEY, server.tls.cert, client.cert, client.key, pid=server.process.pid)
    assert "Traceback" not in server.stderr, server.stderr


def as_admin(target: Target, server: KeyServer) -> Target:
    """The same server, called by the admin."""
    return replace(target, cert=server.admin.cert, key=server.admin.key)
