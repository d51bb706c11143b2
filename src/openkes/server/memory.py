"""How much memory this process uses, as the kernel counts it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

_PAGE = os.sysconf("SC_PAGE_SIZE")


class Memory(NamedTuple):
    """Bytes: everything resident, and the main thread's stack. Zero where the kernel does not say."""

    resident: int
    stack: int


def memory_used() -> Memory:
    try:
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return Memory(0, 0)
    stack = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmStk:")), 0)
    return Memory(resident, stack)
