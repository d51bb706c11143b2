# Copyright: openkes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A key server without systemd: a background process with a pid file and a log file, for evaluation.

Speaks the same verbs as `systemd.Unit`. Knows nothing of key servers but the program it starts.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from typing import List


class Process:
    """One background process. Owner is whoever runs this."""

    def __init__(self, command: List[str], pid_file: str, log_file: str) -> None:
        self._command = command
        self._pid_file = pid_file
        self._log_file = log_file
        self._started: subprocess.Popen[bytes] | None = None
        self.name = os.path.basename(command[0])

    def pid(self) -> int | None:
        """The process of the pid file if it still is ours (by its command line), else None."""
        try:
            with open(self._pid_file) as file:
                number = int(file.read())
            with open("/proc/%d/cmdline" % number, "rb") as file:
                arguments = [part.decode("utf-8", "replace") for part in file.read().split(b"\0")]
            with open("/proc/%d/stat" % number) as file:
                gone = file.read().rpartition(")")[2].split()[0] in ("Z", "X")
        except (OSError, ValueError):
            return None
        return number if not gone and self._command[0] in arguments else None

    def active(self) -> bool:
        # Right after its start the command line in /proc may still be empty: a child is asked for directly.
        if self._started is not None:
            return self._started.poll() is None
        return self.pid() is not None

    def start(self) -> None:
        """In a session of its own, so that it outlives this run."""
        os.makedirs(os.path.dirname(self._log_file), exist_ok=True)
        handle = os.open(self._log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=handle,
                stderr=handle,
                start_new_session=True,
                cwd="/",
            )
        finally:
            os.close(handle)
        self._started = process
        with open(self._pid_file, "w") as file:
            file.write("%d\n" % process.pid)

    def stop(self, seconds: float = 30.0) -> bool:
        """Ask it to drain and wait; False when it is still there."""
        number = self.pid()
        if number is None:
            return True
        os.kill(number, signal.SIGTERM)
        deadline = time.monotonic() + seconds
        while self.pid() is not None:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(number, os.WNOHANG)
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def reload(self) -> None:
        number = self.pid()
        if number is not None:
            os.kill(number, signal.SIGHUP)

    def complaint(self) -> str:
        """The last lines of its log that say what is wrong."""
        try:
            with open(self._log_file, errors="replace") as file:
                lines = file.read().splitlines()[-20:]
        except OSError:
            return ""
        said = [line for line in lines if line.startswith("kes: ")]
        return " ".join(said[-2:] or lines[-2:])
