"""`keystore.fortanix.sdkms`: an application of Fortanix DSM."""

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


@dataclass(frozen=True, slots=True)
class FortanixSettings(KeyStoreSettings):
    """`group_id` "": the application's default group. `key`: its API key."""

    endpoint: str
    key: Secret
    group_id: str = ""
    tls: ClientTLS = field(default_factory=ClientTLS)
    hint: ClassVar[str] = "keystore.fortanix.sdkms names the server, the group and the API key of the application"

    def open(self, initialise: bool = True) -> KeyStore:
        from openkes.keystore.fortanix import FortanixStore  # noqa: PLC0415 - as every kind: loaded when it is opened

        return FortanixStore(self.endpoint, self.key.read, self.group_id, self.tls)

    def describe(self) -> str:
        return f"Fortanix DSM {self.endpoint}, {f'group {self.group_id}' if self.group_id else 'default group'}"

    def place(self) -> Hashable:
        return "fortanix", self.endpoint, self.group_id


def settings(node: Node) -> FortanixSettings:
    keys = given(node, "endpoint", "group_id", "credentials", "tls")
    if "endpoint" not in keys:
        raise node.error(f"'{node.path}.endpoint' is missing", "name the server, like https://amer.smartkey.io")
    login = given(keys["credentials"], "key") if "credentials" in keys else {}
    if "key" not in login:
        raise keys.get("credentials", node).error(
            f"'{node.path}.credentials.key' is missing", "set it to the API key of the application: {file: PATH}"
        )
    return FortanixSettings(
        endpoint=values.url(keys["endpoint"]),
        key=secret.settings(login["key"]),
        group_id=keys["group_id"].text() if "group_id" in keys else "",
        tls=client_tls(keys["tls"]) if "tls" in keys else ClientTLS(),
    )
