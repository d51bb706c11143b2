"""What a test of the Vault store needs on an OpenBao: a corner of its own, a login for it, and stores that use both."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from typing import Any

from openkes.keystore import KeyStore
from openkes.keystore.http import ClientTLS
from openkes.keystore.vault import Layout, VaultStore
from openkes.keystore.vault.login import AppRole, Login
from tests.keystore import bao as real
from tests.keystore.bao import Bao

ALLOW_ALL = 'path "*" {\n  capabilities = ["create", "read", "update", "list", "delete", "sudo"]\n}\n'
ENGINES = {1: "kv", 2: "kv2"}
TRANSIT_KEY = "openkes"


@dataclass(slots=True)
class Site:
    """One prefix. `role`, which is called `name`, is allowed everything unless a test says otherwise."""

    bao: Bao
    name: str
    role: real.AppRole
    layout: Layout
    opened: list[KeyStore] = field(default_factory=list)

    @property
    def login(self) -> AppRole:
        return AppRole(lambda: self.role.role_id, lambda: self.role.secret_id)

    def open(
        self,
        *,
        urls: tuple[str, ...] | None = None,
        login: Login | None = None,
        version: int | None = None,
        **options: Any,
    ) -> VaultStore:
        """Another store over the same entries; closed at the end of the test."""
        layout = self.layout if version is None else replace(self.layout, engine=ENGINES[version], version=version)
        options = {"tls": ClientTLS(self.bao.ca), **options}
        store = VaultStore(urls or (self.bao.url,), login or self.login, layout, **options)
        self.opened.append(store)
        return store

    def path(self, name: str, kind: str = "data") -> str:
        """Of a key's secret."""
        between = f"{kind}/" if self.layout.version == 2 else ""
        return f"{self.layout.engine}/{between}{self.layout.prefix}/{name}"

    def put(self, name: str, text: str) -> None:
        """As upstream writes it."""
        fields = {name: text}
        body: dict[str, Any] = {"data": fields, "options": {"cas": 0}} if self.layout.version == 2 else fields
        self.bao.call("POST", self.path(name), body)

    def fields(self, name: str, version: int = 1) -> dict[str, str]:
        """As upstream reads it: version 1, where there are versions."""
        if self.layout.version == 2:
            data = self.bao.call("GET", f"{self.path(name)}?version={version}")["data"]["data"]
        else:
            data = self.bao.call("GET", self.path(name))["data"]
        return dict(data)

    def close(self) -> None:
        for store in self.opened:
            store.close()


def prepare(bao: Bao) -> None:
    """Both engines, transit, and the policy `all`; once for a server."""
    for version, path in ENGINES.items():
        bao.kv(path, version)
    bao.transit(TRANSIT_KEY)
    bao.policy("all", ALLOW_ALL)


def site(bao: Bao, version: int = 1, *, wrapped: bool = False, **role: Any) -> Site:
    """A new prefix on a prepared server, and a new role; `role` like token_ttl="3s"."""
    name = f"test-{uuid.uuid4()}"
    transit = ("transit", TRANSIT_KEY) if wrapped else None
    layout = Layout(ENGINES[version], version, f"keys/{name}", transit)
    return Site(bao, name, bao.approle(name, ["all"], **role), layout)
