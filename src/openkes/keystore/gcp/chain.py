"""Which version of a secret is the current one, where the service gives versions numbers and nothing else can be
relied on: only reading a version by its number is strongly consistent (Google, "Resource consistency").

Version 1 is the entry as it was created, plain, as upstream has it. A later one names the version that it comes after.
The first version that comes after the current one is the next current one; whatever else names that one lost a race and
means nothing. All who read the same versions, in the order of their numbers, come to the same end. Pure functions.
"""

from __future__ import annotations

from dataclasses import dataclass

FIRST = 1
_MARK = b"openkes-after:"


@dataclass(frozen=True, slots=True)
class Current:
    """`last`: the number of the last version that was looked at."""

    number: int
    value: bytes
    last: int


def successor(number: int, value: bytes) -> bytes:
    """What is stored in a version that comes after version `number`."""
    return _MARK + str(number).encode() + b"\n" + value


def comes_after(data: bytes) -> tuple[int, bytes]:
    """The number and the value; 0 for a version that does not say what it comes after."""
    head, _, value = data.partition(b"\n")
    number = head.removeprefix(_MARK)
    if not head.startswith(_MARK) or not number.isdigit():
        return 0, data
    return int(number), value


def step(current: Current, data: bytes) -> Current:
    """With the version of number `last + 1`, which has `data`."""
    number, value = comes_after(data)
    at = current.last + 1
    if number == current.number:
        return Current(at, value, at)
    return Current(current.number, current.value, at)
