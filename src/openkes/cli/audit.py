"""`kes audit verify`: prints what the verification of audit files found. Finds nothing itself."""

from __future__ import annotations

import re
from pathlib import Path

import click

from openkes.cli import output
from openkes.server.audit.verify import Report
from openkes.server.audit.verify import verify as verify_files

SHOWN = 100  # findings; with more, the file as a whole is the finding
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)


@click.group()
def audit() -> None:
    """Check audit logs."""


@audit.command()
@click.option("--head", metavar="HASH", help="The head of an earlier run: it must still be there.")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.pass_context
def verify(context: click.Context, head: str | None, files: tuple[Path, ...]) -> None:
    """Check that nobody changed the lines of audit logs.

    Name the files of one server, the oldest first; those that end in .gz are read as well. Finds lines that were
    edited, removed, inserted, moved or torn, and missing files. Lines cut off the end are found with --head only: note
    the head that is printed here somewhere else. Exits with 1 when something is found.

    \b
    Example:
      kes audit verify audit.jsonl.2.gz audit.jsonl.1 audit.jsonl
    """
    if head is not None and _DIGEST.fullmatch(head.strip().lower()) is None:
        raise click.BadParameter("write the 64 hex digits that an earlier run printed", param_hint="--head")
    report = verify_files(list(files), (head or "").strip().lower())
    for note in report.notes:
        output.talk(f"kes: note: {note}")
    for finding in report.findings[:SHOWN]:
        output.data(finding)
    if len(report.findings) > SHOWN:
        output.data(f"and {len(report.findings) - SHOWN} more")
    output.table(_summary(report))
    if report.findings:
        number = len(report.findings)
        context.exit(output.failure(f"{number} finding{'' if number == 1 else 's'}: this log is not as it was written"))


def _summary(report: Report) -> list[tuple[str, str]]:
    rows = [
        ("lines", str(report.lines)),
        ("writers", str(report.writers)),
        ("first", report.first or "-"),
        ("last", report.last or "-"),
        ("head", report.head or "-"),
    ]
    if report.lost:
        rows.insert(1, ("not written", f"{report.lost} (the server could not, and said so)"))
    if report.noted_at:
        rows.append(("noted head", report.noted_at))
    return rows
