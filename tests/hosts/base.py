"""The base image: a Debian 12 tree that every host has as the lower layer of its root.

Made once by debootstrap and kept in the cache under a hash of everything that goes into it. Holds what a
fresh server of an operator would hold, and no more: what a role needs beyond this it must bring itself.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

from tests.hosts.support import HostsError, cache_dir

SUITE = "bookworm"
USER = "ops"  # logs in by key, becomes root by sudo: as on a real fleet, so a forgotten `become` fails here
PACKAGES = (
    "ca-certificates",
    "dbus",
    "iproute2",
    "openssh-server",
    "openssl",
    "python3",
    "python3-apt",
    "python3-venv",
    "sudo",
    "systemd",
    "systemd-sysv",
)
# Boot time is test time: nothing of these is of use in a container that lives for minutes.
MASKED = (
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "console-getty.service",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "getty.target",
    "systemd-networkd-wait-online.service",
)
FALLBACK_MIRROR = "http://deb.debian.org/debian"
REVISION = 2  # raise when _furnish changes


def ensure() -> Path:
    """Return the base tree, making it first if the cache has none (about a minute)."""
    bases = cache_dir() / "bases"
    bases.mkdir(parents=True, exist_ok=True)
    tree = bases / _fingerprint()
    with (bases / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if tree.is_dir():
            return tree
        work = bases / f".{tree.name}.new"
        shutil.rmtree(work, ignore_errors=True)
        _debootstrap(work, mirror())
        _furnish(work)
        work.rename(tree)
    return tree


def mirror(sources: Path = Path("/etc/apt")) -> str:
    """Return the Debian mirror which this machine's own apt sources name, else Debian's own."""
    files = [sources / "sources.list", *sorted((sources / "sources.list.d").glob("*"))]
    for path in files:
        if not path.is_file():
            continue
        text = re.sub(r"(?m)^\s*#.*$", "", path.read_text(encoding="utf-8", errors="replace"))
        for url in re.finditer(r"\bhttps?://\S+", text):
            # Not debian-security, not another vendor's repository: the main archive is called `debian`.
            if url[0].rstrip("/").endswith("/debian"):
                return str(url[0].rstrip("/"))
    return FALLBACK_MIRROR


def _fingerprint() -> str:
    content = repr((SUITE, USER, PACKAGES, MASKED, REVISION))
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _debootstrap(tree: Path, source: str) -> None:
    command = [
        "debootstrap",
        "--variant=minbase",
        f"--include={','.join(PACKAGES)}",
        SUITE,
        str(tree),
        source,
    ]
    log = tree.with_suffix(".log")
    with log.open("wb") as out:
        done = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, env=_with_apt_proxy(), check=False)
    if done.returncode != 0:
        shutil.rmtree(tree, ignore_errors=True)
        raise HostsError(f"debootstrap from {source} failed ({done.returncode}): see {log}")
    log.unlink()


def _with_apt_proxy() -> dict[str, str]:
    """Return the environment with apt's own proxy in it: debootstrap does not read apt's configuration."""
    env = dict(os.environ)
    if "http_proxy" in env or shutil.which("apt-config") is None:
        return env
    shell = subprocess.run(
        ["apt-config", "shell", "PROXY", "Acquire::http::Proxy"], capture_output=True, text=True, check=False
    )
    found = re.search(r"PROXY='([^']+)'", shell.stdout)
    if found and found[1] != "DIRECT":
        env["http_proxy"] = found[1]
    return env


def _furnish(tree: Path) -> None:
    """Turn the bare tree into a server: a user with sudo, networkd on, no noise at boot."""
    for run in (
        ["useradd", "--create-home", "--shell", "/bin/sh", USER],
        ["systemctl", "enable", "--quiet", "systemd-networkd.service", "ssh.service"],
        ["systemctl", "mask", "--quiet", *MASKED],
        ["apt-get", "clean"],
    ):
        subprocess.run(["chroot", str(tree), *run], check=True, stdout=subprocess.DEVNULL)
    sudoers = tree / "etc/sudoers.d/ops"
    sudoers.write_text(f"{USER} ALL=(ALL) NOPASSWD: ALL\n", encoding="ascii")
    sudoers.chmod(0o440)
    (tree / "etc/ssh/sshd_config.d/hosts.conf").write_text(
        "PermitRootLogin no\nPasswordAuthentication no\nUseDNS no\nPrintMotd no\n"
        # Four Ansible forks and a pytest at once come in as one burst.
        "MaxStartups 100\nMaxSessions 100\n",
        encoding="ascii",
    )
    for leftover in ("etc/hostname", "etc/resolv.conf"):
        (tree / leftover).unlink(missing_ok=True)
    (tree / "etc/machine-id").write_text("uninitialized\n", encoding="ascii")
