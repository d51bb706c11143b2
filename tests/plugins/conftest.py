"""Makes `ansible_collections.openkes.kes` importable from this checkout, and runs modules as Ansible would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
COLLECTIONS = subprocess.run(
    [ROOT / "tools/collection-path.sh"], capture_output=True, text=True, check=True
).stdout.strip()
if COLLECTIONS not in sys.path:
    sys.path.insert(0, COLLECTIONS)

RunModule = Callable[..., dict[str, Any]]


@pytest.fixture
def run_module(tmp_path: Path) -> RunModule:
    """`run_module("name", check=False, **arguments)` runs a module in a process of its own; returns its JSON."""

    def run(module: str, /, *, check: bool = False, **arguments: Any) -> dict[str, Any]:
        scratch = tmp_path / "remote"
        scratch.mkdir(exist_ok=True)
        given = {
            **arguments,
            "_ansible_check_mode": check,
            "_ansible_diff": True,
            "_ansible_remote_tmp": str(scratch),
            "_ansible_tmpdir": str(scratch),
        }
        done = subprocess.run(
            [sys.executable, "-c", _RUN, module],
            input=json.dumps({"ANSIBLE_MODULE_ARGS": given}),
            env={**os.environ, "PYTHONPATH": COLLECTIONS},
            capture_output=True, text=True, check=False, cwd=tmp_path,
        )  # fmt: skip
        assert done.stdout, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return answer

    return run


#: What Ansible's own wrapper does, which differs between its versions: hand the arguments over and run main().
_RUN = """
import importlib, sys
from ansible.module_utils import basic
data = sys.stdin.buffer.read()
basic._ANSIBLE_ARGS = data
if hasattr(basic, "_ANSIBLE_PROFILE"):
    basic._ANSIBLE_PROFILE = "legacy"
importlib.import_module("ansible_collections.openkes.kes.plugins.modules." + sys.argv[1]).main()
"""


@pytest.fixture
def playbook(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a play given as text, with an inventory given as text, on this machine."""

    def run(play: str, inventory: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "play.yml").write_text(play)
        (tmp_path / "inventory.yml").write_text(inventory)
        return subprocess.run(
            [Path(sys.executable).parent / "ansible-playbook", "-i", "inventory.yml", "play.yml", *arguments],
            env={
                **os.environ,
                "ANSIBLE_COLLECTIONS_PATH": COLLECTIONS,
                "ANSIBLE_LOCALHOST_WARNING": "false",
                "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_HOME": str(tmp_path / "ansible"),
            },
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, cwd=tmp_path,
        )  # fmt: skip

    return run
