"""Starting and ending one host: a supervisor in namespaces of its own, so that whatever it made ends with it.

The root file system is an overlay in memory over the base image, inside the supervisor's mount namespace.
Killing the supervisor kills all processes of the host (process namespace) and frees its files.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

from tests.hosts.registry import Process, Run

SUPERVISOR = Path(__file__).with_name("supervise.sh")
CGROUPS = (Path("/sys/fs/cgroup/systemd"), Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup"))
END_WITHIN = 10.0  # seconds; the kernel reaps a killed process namespace at once, disks aside


def start(run: Run, host: str, base: Path, seed: Path) -> Process:
    """Boot a host whose root is `base` overlaid with the files under `seed`; return its supervisor."""
    root = run.folder / f"{host}.root"
    root.mkdir()
    groups = [str(group) for group in _cgroups(run, host)]
    with (run.folder / f"{host}.log").open("wb") as log:
        process = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation=private",
             "/bin/sh", str(SUPERVISOR), str(base), str(root), str(seed), f"{run.bridge}-{host}"[:60],
             run.bridge, *groups],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    return Process.of(process.pid)


def end(run: Run) -> None:
    """End all hosts of a run, as if the power went, and wait until they are gone."""
    for process in run.supervisors.values():
        if process.alive():
            os.kill(process.pid, signal.SIGKILL)
    deadline = time.monotonic() + END_WITHIN
    left = [group for host in run.supervisors for group in _cgroups(run, host) if group.exists()]
    while left and time.monotonic() < deadline:
        left = [group for group in left if not _remove_cgroup(group)]
        time.sleep(0.02 if left else 0)


def _cgroups(run: Run, host: str) -> list[Path]:
    """Return the cgroups of a host: without its own, systemd in one host would see another's processes."""
    name = f"openkes-{run.bridge}-{host}"
    return [top / name for top in CGROUPS if (top / "cgroup.procs").exists()]


def _remove_cgroup(top: Path) -> bool:
    """Remove an empty cgroup with all below it; False while it still holds a process."""
    for folder, _, _ in os.walk(top, topdown=False):
        try:
            Path(folder).rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            return False
    return True
