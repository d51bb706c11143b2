"""Services of a cloud under the vendor's own names, with certificates that this process trusts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme

from tests.keystore.fakes import names
from tests.keystore.fakes.service import Server, Service, serving


@dataclass(frozen=True)
class Cloud:
    """`environment`: for another process that is to see the same."""

    servers: dict[str, Server]
    environment: dict[str, str]


@contextmanager
def up(folder: Path, *services: Service, plain: tuple[Service, ...] = ()) -> Iterator[Cloud]:
    """`plain`: without TLS. Nothing else has a name meanwhile."""
    authority = trustme.CA()
    bundle = folder / "roots.pem"
    authority.cert_pem.write_to_path(bundle)
    with ExitStack() as stack:
        servers: dict[str, Server] = {}
        for service in (*services, *plain):
            server = stack.enter_context(serving(service, None if service in plain else authority))
            servers |= dict.fromkeys(service.hosts, server)
        ports = {name: server.server_port for name, server in servers.items()}
        stack.enter_context(names.leading(ports))
        before = os.environ.get("REQUESTS_CA_BUNDLE")
        os.environ["REQUESTS_CA_BUNDLE"] = str(bundle)
        try:
            yield Cloud(servers, {"REQUESTS_CA_BUNDLE": str(bundle), **names.environment(ports)})
        finally:
            del os.environ["REQUESTS_CA_BUNDLE"]
            if before is not None:
                os.environ["REQUESTS_CA_BUNDLE"] = before
