"""The way into the hosts of a run: one key pair, the hosts' own keys known beforehand, files for clients."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path

from tests.hosts.base import USER
from tests.hosts.registry import Run
from tests.hosts.support import HostsError

READY_WITHIN = 60.0  # seconds; two are usual, more on a machine that is busy with something else
STATES = ("running", "degraded")


def prepare(run: Run) -> None:
    """Make the run's keys, and the ssh configuration and inventory that use them."""
    for name in ("client", "host"):
        _keygen(run.folder / name)
    host_key = (run.folder / "host.pub").read_text(encoding="ascii").strip()
    known = "".join(f"{run.address(host)} {host_key}\n" for host in run.hosts)
    (run.folder / "known_hosts").write_text(known, encoding="ascii")
    (run.folder / "ssh_config").write_text(_config(run), encoding="ascii")
    (run.folder / "inventory.json").write_text(json.dumps(inventory(run), indent=2), encoding="ascii")


def inventory(run: Run) -> dict[str, object]:
    """Return an Ansible inventory that says how to reach the hosts, and nothing else about them."""
    common = f"-F {run.folder / 'ssh_config'}"
    hosts = {
        host: {"ansible_host": run.address(host), "ansible_user": USER, "ansible_ssh_common_args": common,
               # Of this run alone: a master left over from an earlier run at this address leads nowhere.
               "ansible_control_path": str(run.folder / "cm-%%h")}
        for host in run.hosts
    }  # fmt: skip
    return {"all": {"hosts": hosts}}


def seed(run: Run, host: str) -> Path:
    """Write the files that make the base image into this very host; return the folder that holds them."""
    tree = run.folder / f"{host}.seed"
    files = {
        "etc/hostname": f"{host}\n",
        "etc/hosts": "127.0.0.1 localhost\n" + "".join(f"{run.address(h)} {h}\n" for h in run.hosts),
        "etc/systemd/network/10-host0.network": (
            f"[Match]\nName=host0\n[Network]\nAddress={run.address(host)}/24\n"
            "LinkLocalAddressing=no\nIPv6AcceptRA=no\nConfigureWithoutCarrier=yes\n"
        ),
    }
    for name, text in files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")
    home = tree / f"home/{USER}/.ssh"
    home.mkdir(parents=True)
    shutil.copy(run.folder / "client.pub", home / "authorized_keys")
    (tree / "etc/ssh").mkdir()
    shutil.copy(run.folder / "host", tree / "etc/ssh/ssh_host_ed25519_key")
    shutil.copy(run.folder / "host.pub", tree / "etc/ssh/ssh_host_ed25519_key.pub")
    for folder in (home, home.parent, home / "authorized_keys"):
        shutil.chown(folder, 1000, 1000)  # USER is the first and only user of the base image
    return tree


def wait(run: Run) -> None:
    """Wait until systemd of every host says it is up."""
    deadline = time.monotonic() + READY_WITHIN
    for host in run.hosts:
        state = ""
        while state not in STATES:
            state = command(run, host, "systemctl is-system-running --wait")
            if state in STATES:
                break
            if not run.supervisors[host].alive():
                raise HostsError(f"{host} ended while booting: see {run.folder / host}.log")
            if time.monotonic() > deadline:
                seen = f"not up after {READY_WITHIN:.0f} s (state {state!r})"
                raise HostsError(f"{host} is {seen}: see {run.folder / host}.log")
            time.sleep(0.1)


def command(run: Run, host: str, line: str) -> str:
    """Run one line on a host; return what it prints, empty if the host cannot be reached."""
    done = subprocess.run(
        ["ssh", "-F", str(run.folder / "ssh_config"), "-o", "ControlPath=none", host, line],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout.strip()


def _config(run: Run) -> str:
    blocks = [f"Host {host}\n  HostName {run.address(host)}\n" for host in run.hosts]
    # The algorithm is pinned, for the hosts' other keys are those of the base image and known to nobody.
    common = (
        f"Host *\n  User {USER}\n  IdentityFile {run.folder / 'client'}\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {run.folder / 'known_hosts'}\n  GlobalKnownHostsFile /dev/null\n"
        "  StrictHostKeyChecking yes\n  HostKeyAlgorithms ssh-ed25519\n  BatchMode yes\n  ConnectTimeout 5\n"
        "  ControlMaster auto\n  ControlPersist 60\n  ServerAliveInterval 5\n"
        f"  ControlPath {run.folder / 'cm-%h'}\n  LogLevel ERROR\n"
    )
    return "".join(blocks) + common


def _keygen(path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "openkes-test", "-f", str(path)], check=True)
