"""TAB, in a real bash: the generated script is sourced, its function called as readline would."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from openkes.cli.complete import SECONDS
from tests.cli.transcript import path_with_kes
from tests.servers import KES, KeyServer, clean_environment, free_port, running

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")

# What readline does: split the line into words, call what `complete` registered, print what it offers.
DRIVER = r"""
eval "$(kes completion bash)"
line=$1
COMP_WORDS=($line)
[[ $line == *' ' ]] && COMP_WORDS+=('')
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
compopt() { echo "compopt $1 $2"; }
function=$(complete -p kes | sed 's/.*-F \([^ ]*\).*/\1/')
"$function" kes "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\n' "${COMPREPLY[@]}"
"""


def complete(line: str, environment: Mapping[str, str] | None = None, folder: Path = Path("/")) -> list[str]:
    path = {"PATH": path_with_kes(Path(sys.executable).parent)}
    done = subprocess.run(
        ["bash", "--norc", "-c", DRIVER, "bash", line],
        cwd=folder,
        env={**clean_environment(), **path, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == ""
    return [found for found in done.stdout.splitlines() if found]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeyServer]:
    folder = tmp_path_factory.mktemp("server")
    policies = {"reader": {"allow": ["/version"]}, "writer": {"allow": ["/version"]}}
    with running(folder, {"policy": policies, "keys": [{"name": n} for n in ("app-1", "app-2", "other")]}) as server:
        yield server


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("kes po", ["policy"]),
        ("kes policy ", ["info", "show", "ls"]),
        ("kes identity n", ["new"]),
        ("kes tool identity o", ["of"]),
        ("kes log --a", ["--audit", "--api-key-file"]),
        ("kes completion ", ["bash", "zsh", "fish"]),
        ("kes server --engine e", ["engine"]),
        ("kes identity new --key ", ["compopt -o default"]),  # bash's own files
    ],
)
def test_commands_options_choices_and_files(line: str, offered: list[str]) -> None:
    assert sorted(complete(line)) == sorted(offered)


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("kes key info app", ["app-1", "app-2"]),
        ("kes key ls o", ["other"]),
        ("kes key encrypt a", ["app-1", "app-2"]),
        ("kes key rm app-1 a", ["app-2"]),  # not twice
        ("kes policy show r", ["reader"]),
        ("kes ls -p w", ["writer"]),
        ("kes key create a", []),  # a new name
    ],
)
def test_names_come_from_the_server(server: KeyServer, line: str, offered: list[str]) -> None:
    assert complete(line, server.environment()) == offered


def test_identities_come_from_the_server(server: KeyServer) -> None:
    start = server.admin.identity[:6]
    assert complete(f"kes identity info {start}", server.environment()) == [server.admin.identity]
    assert complete(f"kes ls -i {start}", server.environment()) == [server.admin.identity]


def test_options_on_the_line_count(server: KeyServer) -> None:
    who = f"--key {server.admin.key} --cert {server.admin.cert} --ca {server.tls.cert}"
    assert complete(f"kes key info -s 127.0.0.1:{server.port} {who} oth") == ["other"]


def test_a_server_that_is_away_offers_nothing_and_says_nothing(server: KeyServer) -> None:
    away = {**server.environment(), "KES_SERVER": f"127.0.0.1:{free_port()}"}
    assert complete("kes key info a", away) == []
    assert complete("kes key info a") == []  # nobody


def test_a_locked_key_is_not_asked_for(server: KeyServer, tmp_path: Path) -> None:
    locked = tmp_path / "locked.key"
    command = ["openssl", "pkcs8", "-topk8", "-in", server.admin.key, "-out", locked, "-passout", "pass:s3cret"]
    subprocess.run(command, check=True)
    environment = {**server.environment(), "KES_CLIENT_KEY": str(locked)}
    assert complete("kes key info oth", environment) == []
    assert complete("kes key info oth", {**environment, "KES_CLIENT_KEY_PASSWORD": "s3cret"}) == ["other"]


def test_a_silent_server_does_not_hold_up_the_prompt(server: KeyServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        environment = {**server.environment(), "KES_SERVER": f"127.0.0.1:{silent.getsockname()[1]}"}
        begin = time.monotonic()
        assert complete("kes key info a", environment) == []
    # the command's other limits are 10 and 20 seconds; the rest is for a busy machine
    assert time.monotonic() - begin < SECONDS + 8


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_scripts_of_other_shells(shell: str, tmp_path: Path) -> None:
    done = subprocess.run([*KES, "completion", shell], env=clean_environment(), capture_output=True, check=True)
    assert b"_KES_COMPLETE=" + shell.encode() in done.stdout
    if (found := shutil.which(shell)) is not None:
        script = tmp_path / "script"
        script.write_bytes(done.stdout)
        subprocess.run([found, "-n", script], env=dict(os.environ), check=True)
