"""Starts servers quickly: a process that has loaded everything and forks one per start.

A start is then what differs from start to start: configuration, store, doors, sockets. As a program it reads a line
of JSON per start from standard input and answers with a process id, or waits for one and answers with its exit.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

from tests.servers import clean_environment


class Starter:
    """Owns the processes it started until `ended` was asked for each."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            env=clean_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, config: Path, engine: str, stderr: Path) -> int:
        """The process id of a `kes server` that may not be ready yet."""
        return self._ask({"config": str(config), "engine": engine, "stderr": str(stderr)})

    def ended(self, process: int) -> int:
        """Waits for its end: the exit code, negative for a signal."""
        return self._ask({"wait": process})

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(10)

    def _ask(self, question: dict[str, object]) -> int:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


def serve(question: dict[str, str]) -> NoReturn:
    """In the child: become the server."""
    from openkes.cli import main

    errors = os.open(question["stderr"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    null = os.open(os.devnull, os.O_RDWR)
    for number, opened in enumerate((null, null, errors)):
        os.dup2(opened, number)
    code = 1
    try:
        code = main(["server", "--config", question["config"], "--engine", question["engine"]])
    finally:
        sys.stderr.flush()
        os._exit(code)


def loop() -> None:
    # What a server loads; nothing of it starts a thread before `serve.start`.
    import openkes.cli.server
    import openkes.front.python
    from openkes import front

    if front.have_engine():
        import openkes.front.engine  # noqa: F401
    for line in sys.stdin:
        question = json.loads(line)
        if "wait" in question:
            answer = os.waitstatus_to_exitcode(os.waitpid(question["wait"], 0)[1])
        else:
            answer = os.fork()
            if answer == 0:
                serve(question)
        print(answer, flush=True)


if __name__ == "__main__":
    loop()
