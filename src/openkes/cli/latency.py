"""What keeps a call from waiting for other work of this process: the interpreter's turns, timers, garbage.

Owns the settings, all for the whole process. Must not know what a call is.
"""

from __future__ import annotations

import ctypes
import gc
import sys

#: Seconds that a thread which computes (a long list, a scrape) may keep the interpreter when a call wants it. Python's
#: own 5 ms are fifty whole calls. Measured: a call beside long lists takes 5.1 ms with 5 ms, 0.6 with 0.5, 0.17 with
#: this (docs/adr/0006).
TURN = 0.00005
_PR_SET_TIMERSLACK = 29
_SLACK = 1_000  # nanoseconds; the kernel's default of 50 µs would double each turn


def shorten_turns() -> None:
    """Before threads are started: they inherit the timers' precision."""
    sys.setswitchinterval(TURN)
    # Where the kernel does not know it, turns take a little longer.
    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, _SLACK, 0, 0, 0)


def settle() -> None:
    """When all is loaded: what is there stays until the end, so the collector need not look through it again and again.
    A full collection holds up everything for 13 ms and more. Calls on keys in memory leave it nothing to do."""
    gc.freeze()
