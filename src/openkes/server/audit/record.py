"""One request as one line of JSON. Must not know where lines go."""

from __future__ import annotations

import os
import time
from typing import NamedTuple

import msgspec

from openkes.crypto import timestamp

_SECOND = 1_000_000_000


class _Request(msgspec.Struct, omit_defaults=True):
    # `ip`, `path` and `identity` are upstream's and always there, though empty.
    id: str
    ip: str
    method: str
    path: str
    identity: str
    policy: str = ""
    key: str = ""


class _Response(msgspec.Struct):
    code: int
    time: int  # µs


class _Line(msgspec.Struct):
    time: str
    request: _Request
    response: _Response


_encode = msgspec.json.Encoder().encode


class Record(NamedTuple):
    """`time` in ns since 1970, `duration` in seconds. `path` as sent, without the query; `key` only where the path
    names one; `policy` of the identity, "" for the admin and for strangers. `id` is this server's, never a client's."""

    time: int
    address: str
    method: str
    path: str
    identity: str
    status: int
    duration: float
    id: str = ""
    policy: str = ""
    key: str = ""

    def line(self) -> bytes:
        """The JSON object, no line end."""
        ip = self.address.rpartition(":")[0].strip("[]")
        request = _Request(self.id, ip, self.method, self.path, self.identity, self.policy, self.key)
        document = _Line(_text(self.time), request, _Response(self.status, int(self.duration * 1e6)))
        try:
            return _encode(document)
        except UnicodeEncodeError:
            # A path that is no text still gets its line.
            request.path = self.path.encode("utf-8", "backslashreplace").decode("ascii", "replace")
            request.method = self.method.encode("ascii", "backslashreplace").decode("ascii")
            return _encode(document)


class _Clock:
    """The text of the second that most lines share: making it costs more than the rest of the line."""

    def __init__(self) -> None:
        self.now: tuple[int, str] = (0, timestamp.to_text(0)[:-1])


_clock = _Clock()


def _text(ns: int) -> str:
    """As `timestamp.to_text`."""
    seconds, fraction = divmod(ns, _SECOND)
    second, text = _clock.now
    if second != seconds:
        text = timestamp.to_text(seconds * _SECOND)[:-1]
        _clock.now = (seconds, text)
    return f"{text}.{fraction:09d}".rstrip("0") + "Z" if fraction else f"{text}Z"


def new_id() -> str:
    """16 hex digits: short enough to read out, and 10,000,000 requests a day for a year hardly ever share one."""
    return os.urandom(8).hex()


def now() -> int:
    return time.time_ns()
