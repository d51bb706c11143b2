"""What was measured on what: machine, versions, commit. Reads /proc and asks programs; measures nothing."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import ssl
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import openkes
from tests.bench import ab, openbao
from tests.sdk.programs import ROOT, go, go_command

HERE = Path(__file__).resolve().parent


def facts() -> dict[str, str]:
    """Name to text, in the order to print."""
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{_cpu()}, {os.cpu_count()} cores, {_memory():.1f} GiB, {_virtual()}",
        "system": f"{_system()}, Linux {platform.release()}",
        "load before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "openkes": f"{openkes.__version__} {_commit()}, {_engine()}",
        "Python": f"{platform.python_version()}, cryptography {importlib.metadata.version('cryptography')}, "
        f"{ssl.OPENSSL_VERSION}",
        "clients": f"{_go()}, {ab.missing() or ab.version()}",
        "OpenBao": openbao.missing() or openbao.version(),
    }


def _cpu() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()


def _memory() -> float:
    """GiB."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _virtual() -> str:
    flags = re.search(r"^flags\s*:(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return "a virtual machine" if flags and "hypervisor" in flags[1].split() else "no hypervisor seen"


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return "unknown system"


def _engine() -> str:
    try:
        return f"engine {importlib.metadata.version('openkes-engine')}"
    except importlib.metadata.PackageNotFoundError:
        return "no compiled engine: the pure-Python twin, which has no HTTP/2"


def _commit() -> str:
    """Of the checkout; says when files differ from it."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        commit = git("rev-parse", "--short", "HEAD")
        return f"({commit}{', changed' if commit and git('status', '--porcelain', 'src') else ''})" if commit else ""
    except FileNotFoundError:
        return ""


def _go() -> str:
    command = go_command()
    sdk = go(command, "list", "-m", "github.com/minio/kms-go/kes", folder=HERE).split()
    return f"{go(command, 'env', 'GOVERSION', folder=HERE).strip()} with {sdk[0]} {sdk[1]}"
