"""Whether this machine can boot test hosts, and if not, why: the sentence a skipped test shows."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

PROGRAMS = {
    "systemd-nspawn": "systemd-container",
    "debootstrap": "debootstrap",
    "ip": "iproute2",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "unshare": "util-linux",
}


class HostsError(Exception):
    """Test hosts could not be made or reached; the text names the cause and the next step."""


def why_not() -> str | None:
    """Return the reason why no host can be booted here, or None when one can."""
    if os.geteuid() != 0:
        return "test hosts need root (systemd-nspawn, a bridge): run the tests as root"
    missing = sorted({package for program, package in PROGRAMS.items() if shutil.which(program) is None})
    if missing:
        return f"test hosts need {' '.join(missing)}: apt-get install {' '.join(missing)}"
    filesystems = Path("/proc/filesystems").read_text(encoding="ascii")
    if "\toverlay\n" not in filesystems:
        return "test hosts need overlayfs: modprobe overlay"
    return None


def require() -> None:
    """Raise HostsError where no host can be booted."""
    reason = why_not()
    if reason is not None:
        raise HostsError(reason)


def cache_dir() -> Path:
    """Return the project's cache folder, as every tool of the repository finds it."""
    given = os.environ.get("OPENKES_CACHE")
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "openkes"
