"""The one error of stored entries."""

from __future__ import annotations


class MalformedEntry(ValueError):
    """The stored bytes are not an entry; the text says why, never what they are."""
