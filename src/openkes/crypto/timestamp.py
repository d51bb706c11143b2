"""Points in time as integer nanoseconds since 1970 UTC, and their RFC 3339 text as Go writes it."""

from __future__ import annotations

import calendar
import re
import time

#: What Go prints for "no time recorded": 0001-01-01T00:00:00Z.
ZERO_TEXT = "0001-01-01T00:00:00Z"
_SECOND = 1_000_000_000
_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9})\d*)?(?:[Zz]|([+-])(\d\d):(\d\d))",
    re.ASCII,
)


def to_text(ns: int | None) -> str:
    """Nanoseconds to `2026-11-23T12:32:20.240831117Z`, without trailing zeros; None to Go's zero time."""
    if ns is None:
        return ZERO_TEXT
    seconds, fraction = divmod(ns, _SECOND)
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    digits = f"{fraction:09d}".rstrip("0")
    return f"{text}.{digits}Z" if digits else f"{text}Z"


def from_text(text: str) -> int | None:
    """The inverse, offsets accepted; None for Go's zero time. ValueError for anything else."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError("not an RFC 3339 time")
    if text == ZERO_TEXT:
        return None
    year, month, day, hour, minute, second = (int(match[i]) for i in range(1, 7))
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 60):
        raise ValueError("not an RFC 3339 time")
    seconds = calendar.timegm((year, month, day, hour, minute, second))
    if match[8]:
        offset = int(match[9]) * 3600 + int(match[10]) * 60
        seconds -= offset if match[8] == "+" else -offset
    return seconds * _SECOND + int((match[7] or "0").ljust(9, "0"))
