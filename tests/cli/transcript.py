"""Transcripts: a shell session on paper, played for real and compared line by line.

    # a comment
    @server config            what the session needs: none (the default), config, 2021
    $ kes identity of root.cert
    <HEX>                     standard output
    ! kes: hint: ...          a line of standard error
    ? 1                       the exit code, when it is not 0

Commands run in bash, in one folder; exported variables last. Of each output every line counts, in order.
Placeholders: <HEX> an identity, <B64> base64, <API_KEY>, <PORT>, <TIME> RFC 3339, <N> digits, <...> anything.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

COMMAND_SECONDS = 60

PLACEHOLDERS = {
    "<HEX>": "[0-9a-f]{64}",
    "<B64>": "[A-Za-z0-9+/]+={0,2}",
    "<API_KEY>": "kes:v1:[A-Za-z0-9+/]{44}",
    "<PORT>": "[0-9]+",
    "<TIME>": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)",
    "<N>": r"\d+(?:\.\d+)?",
    "<...>": ".*",
}
_SPLIT = re.compile("(" + "|".join(map(re.escape, PLACEHOLDERS)) + ")")


@dataclass(slots=True)
class Step:
    """One command and what it must answer. `line` is where it stands in the file."""

    line: int
    command: str
    stdout: list[str] = field(default_factory=list)
    stderr: list[str] = field(default_factory=list)
    code: int = 0


@dataclass(slots=True)
class Transcript:
    server: str
    steps: list[Step]


def parse(text: str) -> Transcript:
    """ValueError naming the line that makes no sense."""
    transcript = Transcript("none", [])
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("$ "):
            transcript.steps.append(Step(number, line[2:]))
        elif line.startswith("> ") and transcript.steps:
            transcript.steps[-1].command += "\n" + line[2:]
        elif line.startswith("@server ") and not transcript.steps:
            transcript.server = line.split()[1]
        elif line.startswith("#") or (not line.strip()):
            continue
        elif not transcript.steps:
            raise ValueError(f"line {number}: output before any command")
        elif line == "!" or line.startswith("! "):
            transcript.steps[-1].stderr.append(line[2:])
        elif line.startswith("? "):
            transcript.steps[-1].code = int(line[2:])
        else:
            transcript.steps[-1].stdout.append(line)
    return transcript


def play(transcript: Transcript, folder: Path, environment: Mapping[str, str]) -> None:
    """AssertionError showing the first command that answered otherwise."""
    state = folder / ".exports"
    state.write_text("")
    for step in transcript.steps:
        script = f". ./.exports\n{step.command}\ncode=$?\nexport -p > .exports\nexit $code"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        got = Step(step.line, step.command, _lines(done.stdout), _lines(done.stderr), done.returncode)
        assert _matches(step, got), (
            f"line {step.line} answered otherwise\n--- expected\n{_show(step)}\n--- got\n{_show(got)}"
        )


def pattern(line: str) -> re.Pattern[str]:
    """The expression for a line with placeholders."""
    return re.compile("".join(PLACEHOLDERS.get(part) or re.escape(part) for part in _SPLIT.split(line)))


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


def _matches(wanted: Step, got: Step) -> bool:
    pairs = [(wanted.stdout, got.stdout), (wanted.stderr, got.stderr)]
    return wanted.code == got.code and all(
        len(want) == len(have) and all(pattern(w).fullmatch(h) for w, h in zip(want, have, strict=True))
        for want, have in pairs
    )


def _show(step: Step) -> str:
    lines = [f"$ {step.command}", *step.stdout, *(f"! {line}" for line in step.stderr)]
    return "\n".join(lines + ([f"? {step.code}"] if step.code else []))


def path_with_kes(bin_folder: Path) -> str:
    """A PATH on which `kes` is the one of this test run."""
    return f"{bin_folder}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
