"""The key store in Thales CipherTrust Manager (once Gemalto KeySecure): a secret of type blob per entry.

Must not know how keys change (`generations`), when a login is renewed (`keystore.login`), or what a call looks like.
"""

from __future__ import annotations

from collections.abc import Callable

from openkes.keystore.gemalto.login import token_of
from openkes.keystore.gemalto.objects import GemaltoObjects
from openkes.keystore.generations import SECONDS, GenerationStore
from openkes.keystore.http import ClientTLS, Endpoints
from openkes.keystore.login import PAUSE, Login
from openkes.keystore.rest import Bearer, Rest


class GemaltoStore(GenerationStore):
    """Implements `KeyStore`."""

    def __init__(
        self,
        endpoint: str,
        token: Callable[[], str],
        domain: str = "",
        tls: ClientTLS | None = None,
        pause: float = PAUSE,
        seconds: float = SECONDS,
    ) -> None:
        """`token`: the refresh token. `domain` "": root. `pause`: seconds until a login that failed is tried again.
        Unreachable when the CA file is no good."""
        name = f"CipherTrust Manager {endpoint}"
        endpoints = Endpoints((endpoint,), tls or ClientTLS())
        self._login = Login(lambda: token_of(name, endpoints, token, domain), pause)
        rest = Rest(name, endpoints, Bearer(self._login, "Authorization", "Bearer "))
        super().__init__(GemaltoObjects(rest), seconds)

    def token_expires_in(self) -> float | None:
        return self._login.expires_in()

    def close(self) -> None:
        self._login.close()
        super().close()
