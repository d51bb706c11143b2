"""Runs as a whole: up, down, list. What an earlier, dead run left behind is cleared by the next `up`."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.hosts import base, boot, network, registry, ssh
from tests.hosts.registry import Run
from tests.hosts.support import HostsError, cache_dir, require

MAX_HOSTS = 40  # each takes some 30 MB and a second of boot


def up(name: str, hosts: Sequence[str]) -> Run:
    """Boot hosts as the run `name` and wait until all of them are up.

    A run of that name with these hosts, all alive, is left as it is; any other of that name is taken down first.
    """
    require()
    if not hosts or len(hosts) > MAX_HOSTS or len(set(hosts)) != len(hosts):
        raise HostsError(f"a run has 1 to {MAX_HOSTS} hosts with different names, got: {' '.join(hosts) or 'none'}")
    tree = base.ensure()
    with registry.locked():
        for run in registry.runs():
            if run.stale() or (run.name == name and not (run.hosts == list(hosts) and run.whole())):
                _clear(run)
        found = registry.find(name)
        if found is None:
            found = _make(name, list(hosts), tree)
    try:
        ssh.wait(found)
    except HostsError:
        _keep_logs(found)
        down(name)
        raise
    return found


def down(name: str) -> None:
    """End the hosts of a run and remove all it made; does nothing if there is no such run."""
    with registry.locked():
        run = registry.find(name)
        if run is not None:
            _clear(run)


def _make(name: str, hosts: list[str], tree: Path) -> Run:
    run = registry.reserve(name, hosts, registry.current_owner(), network.taken())
    try:
        network.down(run)
        network.up(run)
        ssh.prepare(run)
        for host in hosts:
            run.supervisors[host] = boot.start(run, host, tree, ssh.seed(run, host))
            run.save()
    except BaseException:
        _clear(run)
        raise
    return run


def _clear(run: Run) -> None:
    boot.end(run)
    network.down(run)
    registry.forget(run)


def _keep_logs(run: Run) -> None:
    """Save the boot logs of a run that failed where its end does not remove them."""
    logs = cache_dir() / "logs" / run.name
    logs.mkdir(parents=True, exist_ok=True)
    for log in run.folder.glob("*.log"):
        shutil.copy(log, logs)
