"""What the operator does in a scenario beyond its sequence: run a playbook again, with other variables."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path


def play(playbook: str, *arguments: str, **variables: object) -> subprocess.CompletedProcess[str]:
    """Run a playbook (a path in the scenario's folder, or openkes.kes.NAME) on the scenario's inventory.

    `variables` are extra ones of any type. `--diff` is always on. The output is printed, and goes to the
    scenario's log, where the search for secrets, and whoever looks into a failure, finds it.
    """
    scratch = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
    scenario = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
    command = ["ansible-playbook", "-i", scratch / "inventory", "-i", scenario / "inventory.yml", "--diff"]
    extra = ["-e", json.dumps(variables)] if variables else []
    done = subprocess.run(
        [*command, *arguments, *extra, playbook],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, cwd=scenario,
    )  # fmt: skip
    print(" ".join(map(str, done.args)), done.stdout, done.stderr, sep="\n")
    return done


def said(done: subprocess.CompletedProcess[str]) -> str:
    """Return all a run printed as one line, so that a sentence is found however it was wrapped."""
    return " ".join((done.stdout + done.stderr).split())
