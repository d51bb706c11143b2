"""The Go programs below cmd/: started, told to go on, and read line by line. Must not know what the lines say."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.sdk.programs import build, go_command

HERE = Path(__file__).resolve().parent


class ProgramError(Exception):
    """The program ended early; the text is what it said."""


def built() -> Path:
    """The folder of the programs, built when their sources have changed. NoGo when there is no Go."""
    return build(go_command(), HERE)


class Program:
    """One that runs. It answers in lines of JSON, and waits for a line of ours after some of them."""

    def __init__(self, command: Sequence[str | Path], environment: Mapping[str, str]) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `end`
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **environment},
        )

    def read(self, event: str) -> dict[str, Any]:
        """The next line, which must be of this event. ProgramError."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._said.seek(0)
            text = self._said.read().decode(errors="replace").strip()
            raise ProgramError(f"the client program exited with {self._process.returncode}: {text[:2000]}")
        found: dict[str, Any] = json.loads(line)
        assert found["event"] == event, found
        return found

    def go_on(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()

    def finish(self) -> None:
        """No more lines from us."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def end(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None and not stream.closed:
                stream.close()
        self._process.kill()
        self._process.wait()
        self._said.close()


@contextmanager
def running(command: Sequence[str | Path], environment: Mapping[str, str]) -> Iterator[Program]:
    program = Program(command, environment)
    try:
        yield program
    finally:
        program.end()
