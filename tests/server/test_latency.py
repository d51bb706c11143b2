"""Calls do not wait for a process's other work longer than need be. How long they wait is measured elsewhere."""

from __future__ import annotations

import json
import subprocess
import sys

PROBE = """
import ctypes, gc, json, sys, threading
from openkes.cli import latency
latency.shorten_turns()
latency.settle()
slack = []
thread = threading.Thread(target=lambda: slack.append(ctypes.CDLL(None).prctl(30, 0, 0, 0, 0)))
thread.start()
thread.join()
print(json.dumps([sys.getswitchinterval(), slack[0], gc.get_freeze_count(), gc.isenabled()]))
"""


def test_a_process_is_set_up_for_short_waits() -> None:
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    turn, slack, frozen, enabled = json.loads(done.stdout)
    assert (round(turn * 1e6), slack, enabled) == (50, 1000, True)
    assert frozen > 1000
