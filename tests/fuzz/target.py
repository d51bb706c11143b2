"""What a fuzz target is, and how inputs come about from its seeds and words. Knows no target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import strategies as st

MAX_LENGTH = 4096  # bytes of an input: deeper nesting than Python's stack allows still fits


@dataclass(frozen=True, slots=True)
class Target:
    """`check` gets any bytes and raises for a finding. `seeds` are good inputs, `words` what is worth inserting."""

    name: str
    check: Callable[[bytes], None]
    seeds: tuple[bytes, ...]
    words: tuple[bytes, ...]
    max_length: int = MAX_LENGTH

    def inputs(self) -> st.SearchStrategy[bytes]:
        """Seeds with a few changes, and now and then anything at all."""
        return st.one_of(_changed(self), _changed(self), st.binary(max_size=200))


@st.composite
def _changed(draw: st.DrawFn, target: Target) -> bytes:
    data = bytearray(draw(st.sampled_from(target.seeds)))
    piece = st.one_of(st.sampled_from(target.words), st.binary(max_size=4))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(("flip", "insert", "replace", "cut", "end", "double"))):
            case "flip" if at < len(data):
                data[at] ^= 1 << draw(st.integers(0, 7))
            case "insert":
                data[at:at] = draw(piece)
            case "replace":
                new = draw(piece)
                data[at : at + len(new)] = new
            case "cut":
                del data[at : at + draw(st.integers(1, 16))]
            case "end":
                del data[at:]
            case "double":
                data[at:at] = data[at : at + draw(st.integers(1, 64))]
    return bytes(data[: target.max_length])
