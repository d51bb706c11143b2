"""`keystore.azure.keyvault`: one vault."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar

from openkes.config import values
from openkes.config.keystores.extra import needs
from openkes.config.keystores.given import given, secrets
from openkes.config.node import Node
from openkes.config.schema import KeyStoreSettings
from openkes.config.secret import Secret
from openkes.keystore import KeyStore


@dataclass(frozen=True, slots=True)
class Credentials:
    """Of a service principal."""

    tenant_id: Secret
    client_id: Secret
    client_secret: Secret


@dataclass(frozen=True, slots=True)
class AzureSettings(KeyStoreSettings):
    """`credentials`, or `managed_identity`: the client id of one, "" for the system's; both None: as Azure's library
    finds them."""

    endpoint: str
    credentials: Credentials | None = None
    managed_identity: str | None = None
    hint: ClassVar[str] = "docs/stores/azure.md has the role that is needed"

    def open(self, initialise: bool = True) -> KeyStore:
        with needs("azure"):
            from openkes.keystore.azure import AzureStore, login  # noqa: PLC0415 - loaded when it is chosen

        found = self.credentials
        if self.managed_identity is not None:
            return AzureStore(self.endpoint, login.managed(self.managed_identity))
        if found is None:
            return AzureStore(self.endpoint, login.found())

        def principal() -> login.Principal:
            return login.Principal(found.tenant_id.read(), found.client_id.read(), found.client_secret.read())

        return AzureStore(self.endpoint, login.PrincipalLogin(principal))

    def describe(self) -> str:
        return f"Azure Key Vault {self.endpoint}"

    def place(self) -> Hashable:
        return "azure", self.endpoint.lower()


def settings(node: Node) -> AzureSettings:
    keys = given(node, "endpoint", "credentials", "managed_identity")
    if "endpoint" not in keys:
        raise node.error(f"'{node.path}.endpoint' is missing", "name the vault: https://my-vault.vault.azure.net")
    needed = ("tenant_id", "client_id", "client_secret")
    found = secrets(keys["credentials"], needed) if "credentials" in keys else None
    identity = _identity(keys["managed_identity"]) if "managed_identity" in keys else None
    if found and identity is not None:
        raise keys["managed_identity"].error(
            f"'{node.path}' names two logins", "keep one: credentials or managed_identity"
        )
    return AzureSettings(
        endpoint=_vault(keys["endpoint"]),
        credentials=Credentials(**found) if found else None,
        managed_identity=identity,
    )


def _vault(node: Node) -> str:
    url = values.url(node, scheme="https")
    if not url.startswith("https://"):
        raise node.error(f"'{node.path}' is '{url}'", "write https://: Azure's library shows its token to nothing else")
    return url


def _identity(node: Node) -> str | None:
    """The client id; None for a section whose values are all empty."""
    keys = given(node, "client_id")
    if "client_id" in keys:
        return values.text(keys["client_id"])
    return None if node.section() else ""
