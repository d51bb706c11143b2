"""The network of a run: a bridge without uplink. Hosts reach each other and this machine, nothing else."""

from __future__ import annotations

import json
import subprocess

from tests.hosts.registry import Run
from tests.hosts.support import HostsError


def taken() -> set[int]:
    """Return the numbers N for which this machine already has an address in 198.18.N.0/24."""
    listing = subprocess.run(["ip", "-json", "address"], capture_output=True, text=True, check=True).stdout
    numbers = set()
    for interface in json.loads(listing):
        for entry in interface.get("addr_info", []):
            first, second, third, _ = (entry.get("local", "") + "...").split(".")[:4]
            if (first, second) == ("198", "18"):
                numbers.add(int(third))
    return numbers


def up(run: Run) -> None:
    """Make the run's bridge."""
    _ip("link", "add", "name", run.bridge, "type", "bridge")
    _ip("address", "add", f"{run.gateway}/24", "dev", run.bridge)
    _ip("link", "set", run.bridge, "up")


def down(run: Run) -> None:
    """Remove the run's bridge, if it is there."""
    subprocess.run(["ip", "link", "delete", run.bridge], capture_output=True, check=False)


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise HostsError(f"ip {' '.join(arguments)}: {done.stderr.strip()} (are network namespaces allowed here?)")
