"""What a login gives, and which of two states of the cluster a call needs. Must not know how one logs in."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Token:
    """`seconds` is its whole life from `begun` (monotonic), infinite for one that does not end. `index` is the state
    of the cluster that knows it, for standbys."""

    secret: str = field(repr=False)
    seconds: float
    renewable: bool
    begun: float
    index: str = ""

    @property
    def ends(self) -> float:
        return self.begun + self.seconds

    @property
    def due(self) -> float:
        """When to renew it: the second half of its life is for servers that do not answer."""
        return self.begun + self.seconds / 2

    def left(self) -> float:
        return self.ends - time.monotonic()


def token_of(document: Any, begun: float, index: str) -> Token | None:
    """From the answer to a login or a renewal; None when there is none in it."""
    auth = document.get("auth") if isinstance(document, dict) else None
    if not isinstance(auth, dict) or not auth.get("client_token"):
        return None
    seconds = float(auth.get("lease_duration") or 0) or math.inf
    return Token(str(auth["client_token"]), seconds, bool(auth.get("renewable")), begun, index)
