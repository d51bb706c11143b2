"""`keystore.gcp.secretmanager`: one project."""

from __future__ import annotations

import re
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

_PROJECT = re.compile(r"[a-z0-9:.-]+", re.ASCII)  # an id, that of a domain included, or a number


@dataclass(frozen=True, slots=True)
class Credentials:
    """Of a service account; `private_key` is PEM."""

    client_email: Secret
    private_key_id: Secret
    private_key: Secret
    client_id: Secret | None = None


@dataclass(frozen=True, slots=True)
class GCPSettings(KeyStoreSettings):
    """`endpoint` "": Google's. `credentials` None: application default credentials."""

    project_id: str
    endpoint: str = ""
    scopes: tuple[str, ...] = ()
    credentials: Credentials | None = None
    hint: ClassVar[str] = "docs/stores/gcp.md has the role that is needed"

    def open(self, initialise: bool = True) -> KeyStore:
        with needs("gcp"):
            from openkes.keystore.gcp import GCPStore  # noqa: PLC0415 - Google's client is loaded when it is chosen
            from openkes.keystore.gcp.client import Account  # noqa: PLC0415

        found = self.credentials
        if found is None:
            return GCPStore(self.project_id, self.endpoint, self.scopes)

        def account() -> Account:
            return Account(
                found.client_email.read(),
                found.client_id.read() if found.client_id else "",
                found.private_key_id.read(),
                # As it stands in Google's JSON file, each line's end is written as two characters.
                found.private_key.read_all().replace("\\n", "\n"),
            )

        return GCPStore(self.project_id, self.endpoint, self.scopes, account)

    def describe(self) -> str:
        return f"Google Secret Manager, project {self.project_id}"

    def place(self) -> Hashable:
        return "gcp", self.endpoint, self.project_id


def settings(node: Node) -> GCPSettings:
    keys = given(node, "project_id", "endpoint", "scopes", "credentials")
    if "project_id" not in keys:
        raise node.error(f"'{node.path}.project_id' is missing", "name the project that has the secrets")
    needed = ("client_email", "private_key_id", "private_key")
    found = secrets(keys["credentials"], needed, ("client_id",)) if "credentials" in keys else None
    return GCPSettings(
        project_id=_project(keys["project_id"]),
        endpoint=values.url(keys["endpoint"], scheme="https") if "endpoint" in keys else "",
        scopes=tuple(filter(None, (item.text() for item in keys["scopes"].one_or_more()))) if "scopes" in keys else (),
        credentials=Credentials(**found) if found else None,
    )


def _project(node: Node) -> str:
    text = values.text(node)
    if _PROJECT.fullmatch(text) is None:
        raise node.error(f"'{node.path}' is '{text}', which is no project", "write its id, like my-project-123")
    return text
