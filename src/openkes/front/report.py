"""Writes an exception of a door to the log: where it happened and of what kind, never what it was about.

The text of an exception may quote what it choked on, and that may be a key. So frames and the class are
written, the text only for OSError, where it comes from the system.
"""

from __future__ import annotations

import logging
import traceback

_logger = logging.getLogger("openkes.front")
_DEPTH = 5  # exceptions of a chain of causes


def report(door: str, method: str, target: str, error: BaseException) -> None:
    """One error record. `door` is "hot", "application", or "refused" for who is told of refusals."""
    _logger.error("%s door failed on %s %r\n%s", door, method, target, describe(error))


def describe(error: BaseException) -> str:
    """The chain of exceptions, innermost cause first, as frames and classes."""
    parts: list[str] = []
    current: BaseException | None = error
    while current is not None and len(parts) < _DEPTH:
        text = type(current).__qualname__
        if isinstance(current, OSError) and current.strerror:
            text += f": {current.strerror}"
        parts.append("".join(traceback.format_tb(current.__traceback__)) + text)
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return "\n\nwhich led to\n\n".join(reversed(parts))
