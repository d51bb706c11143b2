"""Reads the chain's part of lines and follows each writer's. Knows lines by file and number, opens no files."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Annotated

import msgspec

from openkes.server.audit.chain import ZEROS, digest

RECENT = 4_096  # lines in which a new writer's `after` is looked for: others may have written meanwhile


# Patterns: a line may be forged, and what is read here is shown on a terminal.
_Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
_Count = Annotated[int, msgspec.Meta(ge=1)]


class Link(msgspec.Struct, forbid_unknown_fields=True):
    writer: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{16}$")]
    seq: _Count
    prev: _Digest
    after: _Digest | None = None
    lost: _Count | None = None


class Line(msgspec.Struct):
    """Of an audit line, what verification needs."""

    time: Annotated[str, msgspec.Meta(pattern="^[0-9TZ:.-]{1,40}$")]
    request: dict[str, object]
    response: dict[str, object]
    chain: Link | None = None


_decode = msgspec.json.Decoder(Line).decode


def parse(raw: bytes) -> Line | None:
    """None for what is no audit line. `raw` without its line end."""
    try:
        return _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A line: which of the files (from 0), and its number (from 1)."""

    file: int
    line: int


@dataclass(frozen=True, slots=True)
class Finding:
    """`text` may hold `{file}` of `place`; the reader of files fills it in."""

    place: Place
    text: str


@dataclass(slots=True)
class _Writer:
    seq: int
    digest: str
    place: Place
    gaps: list[tuple[int, int, Place, Place]] = field(default_factory=list)  # first, last, between, and


_UNTIED = (
    "begins a new chain: the file was empty when a server started, so what stood last before it could be missing unseen"
)


class Follower:
    """Takes lines in the files' order. `findings` is complete after `end`."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.notes: list[Finding] = []
        self.lost = 0
        self._writers: dict[str, _Writer] = {}
        self._recent: deque[str] = deque(maxlen=RECENT)
        self._begun = False  # a line with a chain was seen

    @property
    def writers(self) -> int:
        return len(self._writers)

    def take(self, place: Place, raw: bytes, complete: bool) -> Line | None:
        """One line; `complete`: it has its line end."""
        line = parse(raw)
        if line is None or not complete:
            what = "is torn: it has no end" if not complete else "is torn, or no audit line"
            self._find(place, what)
        elif line.chain is not None:
            self._link(place, line.chain, digest(raw))
        elif self._begun:
            self._find(place, "has no chain: somebody inserted it or took its chain away, or audit.chain was off")
        self._recent.append(digest(raw))
        return line

    def _link(self, place: Place, link: Link, own: str) -> None:
        self.lost += link.lost or 0
        writer = self._writers.get(link.writer)
        if writer is None:
            self._first(place, link)
            self._writers[link.writer] = _Writer(link.seq, own, place)
        elif link.seq == writer.seq + 1:
            if link.prev != writer.digest:
                self._find(writer.place, f"was changed: it is not the line that {{{place.file}}}:{place.line} follows")
            writer.seq, writer.digest, writer.place = link.seq, own, place
        elif link.seq > writer.seq:
            writer.gaps.append((writer.seq + 1, link.seq - 1, writer.place, place))
            writer.seq, writer.digest, writer.place = link.seq, own, place
        else:
            self._backwards(place, link, writer)
        self._begun = True

    def _first(self, place: Place, link: Link) -> None:
        """The first line seen of a writer."""
        oldest = not self._begun and place.file == 0
        if link.seq != 1:
            text = f"begins with line {link.seq} of writer {link.writer}: those before are not here"
            if oldest and place.line == 1:
                self._note(place, f"{text}; they are in an older file")
            else:
                self._find(place, f"{text}: they were removed, or an older file was not named")
        elif link.prev != ZEROS:
            self._find(place, "was changed: the first line of a writer follows none of its own")
        elif link.after:
            if link.after not in self._recent:
                text = "follows a line that is not here"
                if oldest and place.line == 1:
                    self._note(place, f"{text}; it is in an older file")
                else:
                    self._find(place, f"{text}: it was changed or removed, or a file between was not named")
        elif place.line != 1:
            self._find(place, f"begins a new chain (writer {link.writer}) without naming the line before: inserted")
        elif place.file:
            self._note(place, _UNTIED)

    def _backwards(self, place: Place, link: Link, writer: _Writer) -> None:
        """A line that should have stood further up, or stands here twice."""
        for i, (first, last, left, right) in enumerate(writer.gaps):
            if first <= link.seq <= last:
                parts = [(first, link.seq - 1, left, right), (link.seq + 1, last, left, right)]
                writer.gaps[i : i + 1] = [part for part in parts if part[0] <= part[1]]
                self._find(place, f"stands in the wrong place: it belongs before {{{right.file}}}:{right.line}")
                return
        self._find(place, f"was inserted: line {link.seq} of writer {link.writer} stands further up")

    def end(self) -> list[Finding]:
        """The findings, in the order of the lines."""
        for writer in self._writers.values():
            for first, last, left, right in writer.gaps:
                number = last - first + 1
                lines = "1 line is" if number == 1 else f"{number} lines are"
                between = f"between {{{left.file}}}:{left.line} and {{{right.file}}}:{right.line}"
                more = ", or a file between was not named" if left.file != right.file else ""
                self.findings.append(Finding(right, f"{lines} missing {between}: removed or changed{more}"))
            writer.gaps.clear()
        self.findings.sort(key=lambda finding: finding.place)
        return self.findings

    def _find(self, place: Place, text: str) -> None:
        self.findings.append(Finding(place, text))

    def _note(self, place: Place, text: str) -> None:
        self.notes.append(Finding(place, text))
