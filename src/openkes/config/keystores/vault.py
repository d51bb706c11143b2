"""`keystore.vault`: a KV engine of Vault or OpenBao, with AppRole or Kubernetes login."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import ClassVar

from openkes.config import values
from openkes.config.keystores import vault_login
from openkes.config.keystores.client_tls import client_tls
from openkes.config.keystores.given import given
from openkes.config.keystores.vault_login import LoginSettings
from openkes.config.node import Node
from openkes.config.schema import KeyStoreSettings
from openkes.keystore import KeyStore
from openkes.keystore.http import ClientTLS
from openkes.keystore.vault import Layout, VaultStore

DEFAULT_ENGINE = "kv"
DEFAULT_TRANSIT = "transit"
DEFAULT_PING = 10.0
_SECTIONS = ("approle", "kubernetes", "transit", "tls", "status")
LEAST_PING = 1.0  # seconds; 0 switches nothing off: one look a second costs nothing


@dataclass(frozen=True, slots=True)
class VaultSettings(KeyStoreSettings):
    """`endpoints` are nodes of one cluster. `version` of the KV engine, 1 or 2. `transit`: engine and key. `ping` in
    seconds."""

    endpoints: tuple[str, ...]
    login: LoginSettings
    engine: str = DEFAULT_ENGINE
    version: int = 1
    namespace: str = ""
    prefix: str = ""
    transit: tuple[str, str] | None = None
    tls: ClientTLS = field(default_factory=ClientTLS)
    ping: float = DEFAULT_PING
    hint: ClassVar[str] = "keystore.vault names servers, engine and login; `bao status` asks whether it is sealed"

    def open(self, initialise: bool = True) -> KeyStore:
        layout = Layout(self.engine, self.version, self.prefix, self.transit)
        return VaultStore(
            self.endpoints,
            self.login.open(),
            layout,
            namespace=self.namespace,
            tls=self.tls,
            ping=self.ping,
        )

    def describe(self) -> str:
        inside = f", namespace {self.namespace}" if self.namespace else ""
        wrapped = f", wrapped by {'/'.join(self.transit)}" if self.transit else ""
        below = "/".join(part for part in (self.engine, self.prefix) if part)
        return f"vault {', '.join(self.endpoints)}{inside}, {below} (KV version {self.version}){wrapped}"

    def place(self) -> Hashable:
        return "vault", frozenset(self.endpoints), self.namespace, self.engine, self.prefix


def settings(node: Node) -> VaultSettings:
    keys = given(node, "endpoint", "engine", "version", "namespace", "prefix", *_SECTIONS)
    # Upstream's example has all sections, most with empty values.
    keys = {name: item for name, item in keys.items() if name not in _SECTIONS or given(item, *item.section())}
    if "endpoint" not in keys:
        raise node.error(
            "'keystore.vault.endpoint' is missing", "name a node, or all: https://vault-1.example.com:8200"
        )
    namespace = vault_login.namespace(keys["namespace"]) if "namespace" in keys else ""
    return VaultSettings(
        endpoints=values.urls(keys["endpoint"]),
        login=vault_login.settings(node, keys, namespace),
        engine=vault_login.path(keys["engine"]) if "engine" in keys else DEFAULT_ENGINE,
        version=int(values.choice(keys["version"], ("v1", "v2"))[1:]) if "version" in keys else 1,
        namespace=namespace,
        prefix=vault_login.path(keys["prefix"]) if "prefix" in keys else "",
        transit=_transit(keys["transit"]) if "transit" in keys else None,
        tls=client_tls(keys["tls"]) if "tls" in keys else ClientTLS(),
        ping=_ping(keys["status"]) if "status" in keys else DEFAULT_PING,
    )


def _transit(node: Node) -> tuple[str, str]:
    keys = given(node, "engine", "key")
    if "key" not in keys:
        raise node.error(f"'{node.path}.key' is missing", "name the transit key that wraps the entries")
    engine = vault_login.path(keys["engine"]) if "engine" in keys else DEFAULT_TRANSIT
    return engine, vault_login.path(keys["key"])


def _ping(node: Node) -> float:
    keys = given(node, "ping")
    seconds = values.duration(keys["ping"]) if "ping" in keys else DEFAULT_PING
    return max(seconds, LEAST_PING)
