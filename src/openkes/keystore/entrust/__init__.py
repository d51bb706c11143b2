"""The key store in Entrust KeyControl (PASM vault, once Secrets Vault): a secret per entry, in one box.

Must not know how keys change (`generations`), when a login is renewed (`keystore.login`), or what a call looks like.
"""

from __future__ import annotations

from collections.abc import Callable

from openkes.keystore.entrust.login import token_of
from openkes.keystore.entrust.objects import EntrustObjects
from openkes.keystore.generations import SECONDS, GenerationStore
from openkes.keystore.http import ClientTLS, Endpoints
from openkes.keystore.login import Login
from openkes.keystore.rest import Bearer, Rest


class EntrustStore(GenerationStore):
    """Implements `KeyStore`."""

    def __init__(
        self,
        endpoint: str,
        vault: str,
        box: str,
        username: Callable[[], str],
        password: Callable[[], str],
        tls: ClientTLS | None = None,
        seconds: float = SECONDS,
    ) -> None:
        """`vault`: id. `box`: id or name. Unreachable when the CA file is no good."""
        name = f"Entrust KeyControl {endpoint}"
        endpoints = Endpoints((endpoint,), tls or ClientTLS())
        self._login = Login(lambda: token_of(name, endpoints, vault, username, password))
        super().__init__(EntrustObjects(Rest(name, endpoints, Bearer(self._login, "X-Vault-Auth")), box), seconds)

    def token_expires_in(self) -> float | None:
        return self._login.expires_in()

    def close(self) -> None:
        self._login.close()
        super().close()
