"""Reads audit files back, oldest first, and says where their chain is broken. Writes nothing.

What it cannot find stands in docs/audit.md: above all, lines cut off the end unless a head was noted before.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from openkes.errors import OperatorError
from openkes.server.audit.chain import digest
from openkes.server.audit.links import Finding, Follower, Place

MAX_LINE = 4 * 1024 * 1024  # bytes; the longest line a server writes is far below it


@dataclass(slots=True)
class Report:
    """`head` is the digest of the last line. Findings and notes are sentences that begin with FILE:LINE."""

    lines: int = 0
    writers: int = 0
    unchained: int = 0
    lost: int = 0
    first: str = ""
    last: str = ""
    head: str = ""
    noted_at: str = ""  # where the head that was asked for stands
    findings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def verify(files: list[Path], noted: str = "") -> Report:
    """`noted`: a head written down earlier, which must still be here. OperatorError for an unreadable file."""
    report, follower = Report(), Follower()
    names = [str(file) for file in files]
    for number, file in enumerate(files):
        for place, raw, complete in _lines(number, file):
            line = follower.take(place, raw, complete)
            report.lines += 1
            report.head = digest(raw)
            if report.head == noted:
                report.noted_at = f"{names[place.file]}:{place.line}"
            if line is not None:
                report.first = report.first or line.time
                report.last = line.time
                report.unchained += line.chain is None
    report.findings = [_sentence(names, finding) for finding in follower.end()]
    report.notes = [_sentence(names, note) for note in follower.notes]
    report.writers, report.lost = follower.writers, follower.lost
    if noted and not report.noted_at:
        report.findings.append(f"no line has the head {noted}: lines were cut off the end, or changed up to it")
    if not report.lines:
        report.notes.append("there are no lines: the log was just begun, or all of it was removed")
    if report.lines and report.unchained == report.lines:
        report.findings.append("no line has a chain: it was written with audit.chain off, and cannot be verified")
    elif report.unchained and not report.findings:
        report.notes.append(f"{names[0]}: the first {report.unchained} lines have no chain and are not verified")
    return report


def _sentence(names: list[str], finding: Finding) -> str:
    # Texts name other files by number; the name may hold braces, the texts' own parts do not.
    text = finding.text.format(*names)
    return f"{names[finding.place.file]}:{finding.place.line}: {text}"


def _lines(number: int, file: Path) -> Iterator[tuple[Place, bytes, bool]]:
    """Place, line without its end, and whether it had one."""
    try:
        with _open(file) as stream:
            line = 0
            while raw := stream.readline(MAX_LINE):
                line += 1
                yield Place(number, line), raw.removesuffix(b"\n"), raw.endswith(b"\n")
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or "it is no whole gzip file"
        raise OperatorError(f"cannot read {file}: {reason}", "name audit files, the oldest first") from None


def _open(file: Path) -> BinaryIO:
    """logrotate compresses."""
    return cast(BinaryIO, gzip.open(file)) if file.suffix == ".gz" else file.open("rb")
