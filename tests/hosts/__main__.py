"""`python -m tests.hosts up|down|list|why-not`: test hosts for the command line and Molecule."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from tests.hosts import fleet, registry
from tests.hosts.support import HostsError, why_not


def main() -> int:
    """Run one command; exit code 1 with one line on stderr when it cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m tests.hosts", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="boot hosts and wait until they are up")
    up.add_argument("--inventory", type=Path, help="write an Ansible inventory (JSON) there")
    up.add_argument("--ssh-config", type=Path, help="write a configuration for `ssh -F` there")
    up.add_argument("name")
    up.add_argument("hosts", nargs="+", metavar="HOST")
    commands.add_parser("down", help="end hosts and remove all traces").add_argument("name")
    commands.add_parser("list", help="show what runs")
    commands.add_parser("why-not", help="say why no host can be booted here; exit 0 if one can")
    options = parser.parse_args()
    try:
        return _run(options)
    except HostsError as error:
        print(f"hosts: error: {error}", file=sys.stderr)
    except subprocess.CalledProcessError as error:
        print(f"hosts: error: {' '.join(error.cmd)} failed ({error.returncode})", file=sys.stderr)
    return 1


def _run(options: argparse.Namespace) -> int:
    if options.command == "up":
        run = fleet.up(options.name, options.hosts)
        for source, target in (("inventory.json", options.inventory), ("ssh_config", options.ssh_config)):
            if target is not None:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(run.folder / source, target)
        print(f"{run.name}: {len(run.hosts)} hosts up; ssh -F {run.folder}/ssh_config {run.hosts[0]}")
    elif options.command == "down":
        fleet.down(options.name)
    elif options.command == "list":
        for run in registry.runs():
            state = "stale" if run.stale() else "up"
            names = " ".join(f"{host}={run.address(host)}" for host in run.hosts)
            print(f"{run.number}\t{run.name}\t{state}\t{names}")
    else:
        reason = why_not()
        if reason is not None:
            print(reason)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
