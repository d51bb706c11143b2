"""One request as one line of JSON. Must not know where lines go.

A line is put together from pieces of JSON, of which most are the same for many requests: `origin` for a connection,
`subject` for all calls of an identity on a path. What comes from outside is in those two, made by the encoder.
"""

from __future__ import annotations

import os
import time

import msgspec

from openkes.crypto import timestamp

_SECOND = 1_000_000_000
_IDS = 256  # ids made at a time


class _Subject(msgspec.Struct, omit_defaults=True):
    # `path` and `identity` are upstream's and always there, though empty.
    method: str
    path: str
    identity: str
    policy: str = ""
    key: str = ""


_encode = msgspec.json.Encoder().encode


def origin(address: str) -> str:
    """`"ip":…` of an "ip:port"."""
    ip = address.rpartition(":")[0].strip("[]")
    return f'"ip":{_encode(ip).decode()}'


def subject(method: str, path: str, identity: str, policy: str = "", key: str = "") -> str:
    """`"method":…,"path":…,"identity":…` and so on. `path` as sent, without the query; `key` only where the path names
    one; `policy` of the identity, "" for the admin and for strangers."""
    document = _Subject(method, path, identity, policy, key)
    try:
        return _encode(document).decode()[1:-1]
    except UnicodeEncodeError:
        # A path that is no text still gets its line.
        document.path = path.encode("utf-8", "backslashreplace").decode("ascii", "replace")
        document.method = method.encode("ascii", "backslashreplace").decode("ascii")
        return _encode(document).decode()[1:-1]


class Record(msgspec.Struct, gc=False):
    """`time` in ns since 1970, `duration` in seconds. `id` is this server's, never a client's."""

    time: int
    id: str
    origin: str
    subject: str
    status: int
    duration: float

    def line(self) -> bytes:
        """The JSON object, no line end. Times in µs."""
        return (
            f'{{"time":"{_text(self.time)}","request":{{"id":"{self.id}",{self.origin},{self.subject}}},'
            f'"response":{{"code":{self.status},"time":{int(self.duration * 1e6)}}}}}'
        ).encode()


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


_ids: list[str] = []
os.register_at_fork(after_in_child=_ids.clear)  # two processes must not go on with the same ones


def new_id() -> str:
    """16 random hex digits: short enough to read out, and 10,000,000 requests a day for a year hardly ever share one.
    Thread-safe."""
    try:
        return _ids.pop()
    except IndexError:
        digits = os.urandom(8 * _IDS).hex()  # a system call for each would be the dearest part of a line
        first, *others = (digits[at : at + 16] for at in range(0, len(digits), 16))
        _ids.extend(others)
        return first


def now() -> int:
    return time.time_ns()
