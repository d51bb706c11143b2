"""The runs on this machine: one folder each under /run, which also reserves the run's network.

The folder's number is the third byte of its network (198.18.N.0/24, from the range that RFC 2544 sets
aside for tests, so it is nobody's real network) and part of its bridge's name.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.hosts.support import HostsError

ROOT = Path("/run/openkes-hosts")
NUMBERS = range(1, 255)
FIRST_HOST = 11  # .1 is the bridge; the rest below is kept for whoever looks at the network by hand


@dataclass(frozen=True)
class Process:
    """A process that cannot be mistaken for a later one with the same id."""

    pid: int
    started: int  # clock ticks after boot, field 22 of /proc/PID/stat

    @classmethod
    def of(cls, pid: int) -> Process:
        """Return the identity of a living process; ProcessLookupError if there is none."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        except FileNotFoundError:
            raise ProcessLookupError(pid) from None
        return cls(pid, int(stat.rpartition(")")[2].split()[19]))

    def alive(self) -> bool:
        """Tell whether this very process still runs (a zombie does not)."""
        try:
            stat = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii", errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            return False
        fields = stat.rpartition(")")[2].split()
        return int(fields[19]) == self.started and fields[0] != "Z"


@dataclass
class Run:
    """A named set of hosts. `hosts` are in the order of their addresses."""

    name: str
    number: int
    hosts: list[str]
    owner: Process | None = None  # the run is stale once its owner is gone
    supervisors: dict[str, Process] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Where the run's keys, logs and mount points lie (0700, in memory)."""
        return ROOT / str(self.number)

    @property
    def bridge(self) -> str:
        """Name of the run's bridge, within the kernel's 15 characters."""
        return f"okes{self.number}"

    @property
    def gateway(self) -> str:
        """Address of the machine itself in the run's network."""
        return f"198.18.{self.number}.1"

    def address(self, host: str) -> str:
        """Return the IPv4 address of a host of this run."""
        return f"198.18.{self.number}.{FIRST_HOST + self.hosts.index(host)}"

    def stale(self) -> bool:
        """Tell whether nobody can want this run any more: its owner or all of its hosts are gone."""
        if self.owner is not None and not self.owner.alive():
            return True
        return not any(process.alive() for process in self.supervisors.values())

    def whole(self) -> bool:
        """Tell whether every host of the run is there."""
        return all(host in self.supervisors and self.supervisors[host].alive() for host in self.hosts)

    def save(self) -> None:
        """Write the run's state, whole or not at all."""
        new = self.folder / "state.json.new"
        new.write_text(json.dumps(asdict(self)), encoding="utf-8")
        new.rename(self.folder / "state.json")


@contextmanager
def locked() -> Iterator[None]:
    """Hold the machine-wide lock: runs appear and vanish only under it."""
    ROOT.mkdir(mode=0o700, exist_ok=True)
    with (ROOT / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def runs() -> list[Run]:
    """Return all runs on this machine, half-made ones included."""
    found = []
    for folder in sorted(ROOT.glob("[0-9]*")):
        try:
            state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            found.append(Run(name="", number=int(folder.name), hosts=[]))
            continue
        owner = Process(**state["owner"]) if state["owner"] else None
        supervisors = {name: Process(**value) for name, value in state["supervisors"].items()}
        found.append(Run(state["name"], state["number"], state["hosts"], owner, supervisors))
    return found


def find(name: str) -> Run | None:
    """Return the run of that name, if there is one."""
    return next((run for run in runs() if run.name == name), None)


def reserve(name: str, hosts: list[str], owner: Process | None, taken: set[int]) -> Run:
    """Make the folder of a new run. Call under `locked`; `taken` are networks others use."""
    for number in NUMBERS:
        if number in taken:
            continue
        run = Run(name, number, hosts, owner)
        try:
            run.folder.mkdir(mode=0o700)
        except FileExistsError:
            continue
        run.save()
        return run
    raise HostsError(f"all {len(NUMBERS)} test networks are in use: python -m tests.hosts list")


def forget(run: Run) -> None:
    """Remove a run's folder. Nothing may be mounted or running in it any more."""
    shutil.rmtree(run.folder, ignore_errors=True)


def current_owner() -> Process | None:
    """Return the process named by OPENKES_HOSTS_OWNER, whose end makes a run stale."""
    pid = os.environ.get("OPENKES_HOSTS_OWNER")
    return Process.of(int(pid)) if pid else None
