"""A server that is measured: where it is, who calls it, and what its process uses. Must not know loads or figures."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

KES, BAO = "kes", "bao"
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Target:
    """`kind` is KES or BAO. `ca` None: the system's roots. `pid` None: not a process of this machine that we started.
    `constant`: everybody gets the same data key."""

    label: str
    endpoint: str
    key_name: str
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    kind: str = KES
    token: str = field(default="", repr=False)
    pid: int | None = None
    constant: bool = False

    @property
    def flags(self) -> list[str]:
        """For the Go programs; the token goes by `environment`."""
        named = {"ca": self.ca, "cert": self.cert, "key": self.key}
        files = [part for name, file in named.items() if file is not None for part in (f"-{name}", str(file))]
        return ["-kind", self.kind, "-endpoint", self.endpoint, "-name", self.key_name, *files]

    @property
    def environment(self) -> dict[str, str]:
        return {"BAO_TOKEN": self.token} if self.token else {}

    def cpu(self) -> float | None:
        """Seconds of processor time since the process began, all threads."""
        return None if self.pid is None else cpu_seconds(self.pid)

    def rss(self) -> int | None:
        """Bytes."""
        return None if self.pid is None else resident(self.pid)


def cpu_seconds(pid: int) -> float:
    """User and system time, in steps of a clock tick (10 ms as a rule)."""
    # The name in parentheses may hold anything; utime and stime are fields 14 and 15 (proc(5)).
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def resident(pid: int) -> int:
    """Bytes of memory that the process holds."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) * 1024
