"""`keystore.entrust.keycontrol`: a user of a PASM vault of Entrust KeyControl, and a box in it."""

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
class EntrustSettings(KeyStoreSettings):
    """`vault`: its id. `box`: id or name."""

    endpoint: str
    vault: str
    box: str
    username: Secret
    password: Secret
    tls: ClientTLS = field(default_factory=ClientTLS)
    hint: ClassVar[str] = "keystore.entrust.keycontrol names the server, the vault, the box and the user"

    def open(self, initialise: bool = True) -> KeyStore:
        from openkes.keystore.entrust import EntrustStore  # noqa: PLC0415 - as every kind: loaded when it is opened

        return EntrustStore(self.endpoint, self.vault, self.box, self.username.read, self.password.read, self.tls)

    def describe(self) -> str:
        return f"Entrust KeyControl {self.endpoint}, vault {self.vault}, box {self.box}"

    def place(self) -> Hashable:
        return "entrust", self.endpoint, self.vault, self.box


def settings(node: Node) -> EntrustSettings:
    keys = given(node, "endpoint", "vault_id", "box_id", "credentials", "tls")
    for name, hint in (
        ("endpoint", "name the server, like https://keycontrol.example.com"),
        ("vault_id", "set it to the id in the vault's login URL, between /Login/ and the next slash"),
        ("box_id", "set it to the id or the name of a box for the keys alone"),
    ):
        if name not in keys:
            raise node.error(f"'{node.path}.{name}' is missing", hint)
    login = given(keys["credentials"], "username", "password") if "credentials" in keys else {}
    for name in ("username", "password"):
        if name not in login:
            raise keys.get("credentials", node).error(
                f"'{node.path}.credentials.{name}' is missing", "a login needs both, username and password"
            )
    return EntrustSettings(
        endpoint=values.url(keys["endpoint"]),
        vault=values.text(keys["vault_id"]),
        box=values.text(keys["box_id"]),
        username=secret.settings(login["username"]),
        password=secret.settings(login["password"]),
        tls=client_tls(keys["tls"]) if "tls" in keys else ClientTLS(),
    )
