"""What role kes_server does with a key store's secrets, without systemd: they work at once and are never shown."""

from __future__ import annotations

import secrets
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.plugins import conftest  # noqa: F401  # makes the collection importable
from tests.servers import make_identity

Playbook = Callable[..., "subprocess.CompletedProcess[str]"]
INVENTORY = yaml.safe_dump({"kes": {"hosts": {"here": {"ansible_connection": "local"}}}})
SECRET = secrets.token_hex(32)

pytestmark = pytest.mark.timeout(300)


def play(folder: Path, keystore: dict[str, Any], credentials: dict[str, Any]) -> str:
    """Writes the configuration as the role does, up to the start of the server."""
    tls = make_identity(folder, "server")
    variables = {
        "kes_server_supervisor": "process",
        "kes_server_user": "",
        "kes_server_program": str(Path(sys.executable).parent / "kes"),
        "kes_server_config": str(folder / "etc/config.yml"),
        "kes_server_state_folder": str(folder / "state"),
        "kes_server_log_folder": str(folder / "log"),
        "kes_server_tls_key": str(tls.key),
        "kes_server_tls_certificate": str(tls.cert),
        "kes_server_keystore": keystore,
        "kes_server_credentials": credentials,
        "ansible_python_interpreter": sys.executable,
    }
    tasks = [
        {"ansible.builtin.include_role": {"name": "openkes.kes.kes_server", "tasks_from": part}}
        for part in ("preflight", "configure")
    ]
    return yaml.safe_dump([{"hosts": "kes", "gather_facts": False, "vars": variables, "tasks": tasks}])


def test_a_credential_is_there_when_the_first_configuration_is_checked(tmp_path: Path, playbook: Playbook) -> None:
    keystore = {"fs": {"path": str(tmp_path / "keys"), "seal": {"key": {"credential": "lock"}}}}
    text = play(tmp_path, keystore, {"lock": {"value": SECRET}})
    for arguments in (["--check"], [], []):
        done = playbook(text, INVENTORY, "--diff", "-vvv", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        assert SECRET not in done.stdout + done.stderr
        assert (tmp_path / "etc").exists() == (arguments == [])
    assert "changed=0" in done.stdout
    file = tmp_path / "etc/credentials/lock"
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == (SECRET, 0o600)
    assert SECRET not in (tmp_path / "etc/config.yml").read_text()


def test_a_secret_that_stands_in_the_settings_is_not_shown(tmp_path: Path, playbook: Playbook) -> None:
    keystore = {"etcd": {"endpoint": "http://127.0.0.1:1", "user": "kes", "password": SECRET}}
    done = playbook(play(tmp_path, keystore, {}), INVENTORY, "--diff", "-vvv", "--check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert SECRET not in done.stdout + done.stderr
