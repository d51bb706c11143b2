"""A user of a KeyControl vault and the session token that stands for it. Must not know what it is used for.

Source: Entrust's own client `pasmcli` (login, access_token, expires_at).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

from openkes.keystore import Unreachable
from openkes.keystore.http import Endpoints
from openkes.keystore.login import Grant
from openkes.keystore.rest import credential, log_in

_LEAST_SECONDS = 10.0  # of a token whose end, by two clocks, seems to have been
_HINT = "keystore.entrust.keycontrol.credentials must be a user of this vault that is neither locked nor expired"


def token_of(
    name: str, endpoints: Endpoints, vault: str, username: Callable[[], str], password: Callable[[], str]
) -> Grant:
    """Unreachable."""
    body = {"username": credential(username), "password": credential(password)}
    answer = log_in(name, endpoints, f"/vault/1.0/Login/{quote(vault, safe='')}/", body, _HINT)
    document = answer.document if isinstance(answer.document, dict) else {}
    token = document.get("access_token")
    if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
        raise Unreachable(f"{name}: the answer to the login has no access_token")
    return Grant(token, life(document.get("expires_at"), answer.header.get("Date")))


def life(ends: Any, date: str | None) -> float:
    """Seconds until `ends` (RFC 3339), by the server's clock if it gives its time."""
    try:
        start = parsedate_to_datetime(date) if date else datetime.now(UTC)
        return max((datetime.fromisoformat(str(ends)) - start).total_seconds(), _LEAST_SECONDS)
    except (TypeError, ValueError):
        return _LEAST_SECONDS
