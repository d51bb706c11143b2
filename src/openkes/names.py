"""Which names keys and policies may have. Pure functions."""

from __future__ import annotations

import re

from openkes.errors import APIError, Code

MAX_LENGTH = 80  # upstream's limit; some stores allow no more
_NAME = re.compile(r"[0-9A-Za-z_](?:[0-9A-Za-z_-]{0,78}[0-9A-Za-z_])?", re.ASCII)


def is_valid(name: str) -> bool:
    """1 to 80 of `0-9 A-Z a-z _ -`, no `-` at either end, not a lone `_`."""
    return name != "_" and _NAME.fullmatch(name) is not None


def check(name: str) -> str:
    """`name`, or APIError BAD_NAME."""
    if not is_valid(name):
        raise APIError(Code.BAD_NAME, name=name)
    return name
