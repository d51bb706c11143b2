"""Identities as `kes` makes them, as the admin of a real server: what is printed is whom the server sees."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.test_terminal import Terminal
from tests.servers import KES, clean_environment, free_port, running

PASSWORD = "correct horse"
Made = tuple[str, dict[str, str]]


def kes(folder: Path, *arguments: str, **environment: str) -> str:
    """Standard output of a command that succeeds."""
    env = {**clean_environment(), **environment}
    done = subprocess.run([*KES, *arguments], cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def files(*options: str, **environment: str) -> Callable[[Path], Made]:
    def make(folder: Path) -> Made:
        names = ("--key", "me.key", "--cert", "me.cert", "me")
        identity = kes(folder, "identity", "new", *options, *names, **environment).strip()
        assert kes(folder, "identity", "of", "me.cert").strip() == identity
        return identity, {"KES_CLIENT_KEY": "me.key", "KES_CLIENT_CERT": "me.cert", **environment}

    return make


def api_key(folder: Path) -> Made:
    made = json.loads(kes(folder, "identity", "new", "--json"))
    return made["identity"], {"MINIO_KES_API_KEY": made["api_key"]}


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(files(), id="ecdsa"),
        pytest.param(files("--key-type", "ed25519"), id="ed25519"),
        pytest.param(files("--encrypt", KES_CLIENT_KEY_PASSWORD=PASSWORD), id="encrypted"),
        pytest.param(
            files("--encrypt", "--key-type", "ed25519", KES_CLIENT_KEY_PASSWORD=PASSWORD), id="encrypted-ed25519"
        ),
        pytest.param(api_key, id="api-key"),
    ],
)
def test_the_server_sees_the_identity_that_was_printed(tmp_path: Path, make: Callable[[Path], Made]) -> None:
    identity, environment = make(tmp_path)
    with running(tmp_path, {"admin": {"identity": identity}}) as server:
        environment |= {"KES_SERVER": server.url, "KES_CA_PATH": "server.cert"}
        seen = json.loads(kes(tmp_path, "identity", "info", "--json", **environment))
        kes(tmp_path, "key", "create", "k", **environment)
        made_by = json.loads(kes(tmp_path, "key", "info", "k", "--json", **environment))["created_by"]
    assert (seen["identity"], seen["admin"], made_by) == (identity, True, identity)


def test_an_encrypted_key_is_not_readable_without_its_password(tmp_path: Path) -> None:
    files("--encrypt", KES_CLIENT_KEY_PASSWORD=PASSWORD)(tmp_path)
    key = (tmp_path / "me.key").read_text()
    assert key.startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    opens = ["openssl", "pkey", "-in", str(tmp_path / "me.key"), "-noout", "-passin"]
    assert subprocess.run([*opens, "pass:wrong"], capture_output=True, check=False).returncode != 0
    subprocess.run([*opens, f"pass:{PASSWORD}"], check=True)


def test_what_kes_server_dev_prints_works(tmp_path: Path) -> None:
    port = free_port()
    server = Terminal(tmp_path, "server", "--dev", "--addr", f"127.0.0.1:{port}")
    server.expect("export KES_API_KEY=")
    server.expect("  audit ")  # the last line of what it says when it listens
    printed = server.screen.partition("export KES_API_KEY=")[2].split()[0]
    environment = {"KES_SERVER": f"127.0.0.1:{port}", "KES_API_KEY": printed}
    kes(tmp_path, "key", "create", "-k", "my-key", **environment)
    assert kes(tmp_path, "key", "ls", "-k", **environment) == "my-key\n"
    server.send("\x03")
    assert server.end()[0] == 0
