"""`keystore.gemalto.keysecure`: a user of Thales CipherTrust Manager, by a refresh token."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import ClassVar

from openkes.config import secret, values
from openkes.config.keystores.client_tls import client_tls
from openkes.config.keystores.given import given
from openkes.config.node import Node
from openkes.config.schema import KeyStoreSettings
from openkes.config.secret import Secret
from openkes.keystore import KeyStore
from openkes.keystore.http import ClientTLS
from openkes.keystore.login import PAUSE


@dataclass(frozen=True, slots=True)
class GemaltoSettings(KeyStoreSettings):
    """`token`: a refresh token. `domain` "": root. `retry`: seconds until a login that failed is tried again."""

    endpoint: str
    token: Secret
    domain: str = ""
    retry: float = PAUSE
    tls: ClientTLS = field(default_factory=ClientTLS)
    hint: ClassVar[str] = "keystore.gemalto.keysecure names the server, the domain and the refresh token"

    def open(self, initialise: bool = True) -> KeyStore:
        from openkes.keystore.gemalto import GemaltoStore  # noqa: PLC0415 - as every kind: loaded when it is opened

        return GemaltoStore(self.endpoint, self.token.read, self.domain, self.tls, self.retry)

    def describe(self) -> str:
        return f"CipherTrust Manager {self.endpoint}, domain {self.domain or 'root'}"

    def place(self) -> Hashable:
        return "gemalto", self.endpoint, self.domain


def settings(node: Node) -> GemaltoSettings:
    keys = given(node, "endpoint", "credentials", "tls")
    if "endpoint" not in keys:
        raise node.error(f"'{node.path}.endpoint' is missing", "name the server, like https://ciphertrust.example.com")
    login = given(keys["credentials"], "token", "domain", "retry") if "credentials" in keys else {}
    if "token" not in login:
        raise keys.get("credentials", node).error(
            f"'{node.path}.credentials.token' is missing", "set it to a refresh token: {file: PATH}"
        )
    return GemaltoSettings(
        endpoint=values.url(keys["endpoint"]),
        token=secret.settings(login["token"]),
        domain=login["domain"].text() if "domain" in login else "",
        retry=_retry(login["retry"]) if "retry" in login else PAUSE,
        tls=client_tls(keys["tls"]) if "tls" in keys else ClientTLS(),
    )


def _retry(node: Node) -> float:
    seconds = values.duration(node)
    if not 1 <= seconds <= 60:
        raise node.error(f"'{node.path}' is '{node.text()}'", "write one second to one minute, like 15s")
    return seconds
