"""The Go programs of this folder: building them once, running one, reading its report.

Owns the Go side's plumbing. Must not know what a program checks.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
NO_GO = 3  # what tools/go.sh exits with when no Go can be had


class NoGo(Exception):
    """No Go on this machine and none to be installed; the text says why."""


def cache() -> Path:
    """The project's cache folder."""
    base = os.environ.get("OPENKES_CACHE")
    if base:
        return Path(base)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "openkes"


def go_command() -> str:
    """Path of a usable go. NoGo when there is none."""
    done = subprocess.run([ROOT / "tools/go.sh"], capture_output=True, text=True, check=False)
    if done.returncode == NO_GO:
        raise NoGo(done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def go_environment() -> dict[str, str]:
    """The caller's, and: go.mod stays as it is, no other toolchain is fetched."""
    flags = " ".join(filter(None, [os.environ.get("GOFLAGS"), "-mod=readonly"]))
    return {**os.environ, "GOFLAGS": flags, "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}


def go(command: str, *arguments: str, folder: Path) -> str:
    """Run go in `folder`; its standard output. AssertionError with what it said when it fails."""
    done = subprocess.run(
        [command, *arguments], cwd=folder, env=go_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"go {' '.join(arguments)} in {folder}:\n{done.stdout}{done.stderr}"
    return done.stdout


def build(command: str, module: Path = HERE) -> Path:
    """All programs below a module's cmd/, built into the cache unless they are there from the same sources; their
    folder."""
    digest = hashlib.sha256(go(command, "version", folder=module).encode())
    for file in sorted([*module.glob("go.*"), *module.rglob("*.go")]):
        digest.update(file.relative_to(module).as_posix().encode() + b"\0" + file.read_bytes())
    folder = cache() / module.name / digest.hexdigest()[:16]
    if not folder.exists():
        part = folder.with_suffix(f".{os.getpid()}")
        part.mkdir(parents=True)
        go(command, "build", "-buildvcs=false", "-ldflags=-s -w", "-o", f"{part}/", "./cmd/...", folder=module)
        part.rename(folder)
        prune(folder)
    folder.touch()
    return folder


def prune(kept: Path) -> None:
    """Remove what other sources gave, unless it was used within a day: it may be another checkout's."""
    for other in kept.parent.iterdir():
        if other != kept and time.time() - other.stat().st_mtime > 24 * 3600:
            shutil.rmtree(other, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Report:
    """What a program found: how many checks it made, what was wrong, and figures."""

    checks: int
    failures: list[str]
    facts: dict[str, Any]


def run(program: Path, *arguments: str, environment: Mapping[str, str], seconds: float = 120) -> Report:
    """Run one program. AssertionError when it could not run; its findings are the caller's to judge."""
    done = subprocess.run(
        [program, *arguments],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
    )
    assert done.returncode in (0, 1), f"{program.name}:\n{done.stdout}{done.stderr}"
    found = json.loads(done.stdout)
    return Report(found["checks"], found["failures"] or [], found["facts"] or {})
