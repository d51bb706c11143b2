"""Who asks: a service principal, a managed identity, or whoever Azure's library finds. Must not know key stores."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from azure.core.credentials import AccessTokenInfo, TokenRequestOptions
from azure.identity import ClientSecretCredential, DefaultAzureCredential, ManagedIdentityCredential

CONNECT_SECONDS = 2.0
READ_SECONDS = 3.0  # Azure answers in a fraction of a second; who asks tries again
#: For every client of Azure's libraries: bounded, and without their own repetition.
BOUNDS: dict[str, Any] = {"connection_timeout": CONNECT_SECONDS, "read_timeout": READ_SECONDS, "retry_total": 0}


@dataclass(frozen=True, slots=True)
class Principal:
    """An application's. `secret`: one of its client secrets."""

    tenant: str
    client: str
    secret: str = field(repr=False)


class PrincipalLogin:
    """A credential of Azure's libraries whose secret is read for every token, so that a replaced one works."""

    def __init__(self, read: Callable[[], Principal]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._made: tuple[Principal, ClientSecretCredential] | None = None

    def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        principal = self._read()
        with self._lock:
            if self._made is None or self._made[0] != principal:
                made = ClientSecretCredential(principal.tenant, principal.client, principal.secret, **BOUNDS)
                self._made = principal, made
            credential = self._made[1]
        return credential.get_token_info(*scopes, options=options)

    def forget(self) -> None:
        """Of tokens that were given out: they are not taken any more."""
        with self._lock:
            self._made = None


def managed(client: str) -> ManagedIdentityCredential:
    """Of the machine. `client` "": the one that the system assigned."""
    return ManagedIdentityCredential(client_id=client or None, **BOUNDS)


def found() -> DefaultAzureCredential:
    """Environment, workload identity, managed identity, `az login`, in this order."""
    return DefaultAzureCredential(process_timeout=5, **BOUNDS)
