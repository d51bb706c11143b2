"""One page out of all names, for stores that can only list everything."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from openkes.keystore import Page


def page_of(names: Iterable[str], prefix: str, limit: int, start: str) -> Page:
    """The first `limit` names with `prefix`, not before `start`, sorted; `continue_at` is the one after them."""
    fitting = (name for name in names if name.startswith(prefix) and name >= start)
    first = heapq.nsmallest(limit + 1, fitting)
    if len(first) <= limit:
        return Page(first, "")
    return Page(first[:limit], first[limit])
