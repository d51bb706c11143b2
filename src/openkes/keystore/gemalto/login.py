"""A refresh token of CipherTrust Manager and the tokens of minutes that it gives. Must not know what they are used for.

Source: Thales' page on authentication tokens.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

from openkes.keystore import Unreachable
from openkes.keystore.http import Endpoints
from openkes.keystore.login import Grant
from openkes.keystore.rest import credential, log_in

_TOKENS = "/api/v1/auth/tokens"
_SECONDS = 300.0  # as Thales documents it, for a token that does not say so itself
_HINT = "make a new refresh token (docs/stores/gemalto.md) and set keystore.gemalto.keysecure.credentials.token to it"


def token_of(name: str, endpoints: Endpoints, refresh: Callable[[], str], domain: str) -> Grant:
    """Unreachable."""
    body = {"grant_type": "refresh_token", "refresh_token": credential(refresh)}
    if domain:
        body["domain"] = domain
    answer = log_in(name, endpoints, _TOKENS, body, _HINT)
    jwt = answer.document.get("jwt") if isinstance(answer.document, dict) else None
    if not isinstance(jwt, str) or not jwt.isascii() or not jwt.isprintable():
        raise Unreachable(f"{name}: the answer to the login has no token")
    return Grant(jwt, life(jwt))


def life(jwt: str) -> float:
    """Seconds from `iat` to `exp`: the clocks of two machines need not agree."""
    try:
        middle = jwt.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
        seconds = float(claims["exp"]) - float(claims["iat"])
    except (IndexError, KeyError, TypeError, ValueError):
        return _SECONDS
    return seconds if seconds > 0 else _SECONDS
