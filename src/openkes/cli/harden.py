"""What keeps key matter in this process: no core files, no debugger of the same user, no swap where that is allowed.

Owns the calls to the kernel. Must not know what a key is. Whatever cannot be had is no failure: a server on a laptop
may not lock memory, and serves all the same.
"""

from __future__ import annotations

import ctypes
import resource
from dataclasses import dataclass
from pathlib import Path

_PR_SET_DUMPABLE = 4
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4
_CAP_IPC_LOCK = 1 << 14


@dataclass(frozen=True, slots=True)
class Hardened:
    """`private`: no core files even where a program collects them, and nobody but root reads this process's memory or
    environment. `locked`: nothing of it is written to swap."""

    private: bool
    locked: bool


def harden() -> Hardened:
    """For the whole process, from now on. Never raises."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    # The limit alone does not hold where core files go to a program (kernel.core_pattern with a pipe).
    private = libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) == 0
    # Below a finite limit, a locked process fails later, when it needs memory: then rather not at all. Pages are locked
    # when they are first used, so that the stacks of idle threads take no memory.
    locked = _may_lock() and libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT) == 0
    return Hardened(private, locked)


def _may_lock() -> bool:
    most = resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]
    if most == resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (most, most))
        return True
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return False
    line = next((line for line in status.splitlines() if line.startswith("CapEff:")), "CapEff: 0")
    return bool(int(line.split()[1], 16) & _CAP_IPC_LOCK)
