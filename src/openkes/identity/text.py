"""The written form of an identity. Must stay free of heavy imports."""

from __future__ import annotations

import re

_IDENTITY = re.compile(r"[0-9a-f]{64}")


def is_identity(text: str) -> bool:
    """True for 64 lower-case hex digits."""
    return _IDENTITY.fullmatch(text) is not None
