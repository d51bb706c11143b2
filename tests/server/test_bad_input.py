"""What an operator gets wrong, on the real command: one sentence, the next step, exit code 1, nothing lost."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from openkes.identity import new_identity
from tests.front.certificates import certificate
from tests.servers import KES, clean_environment, make_identity

ADMIN = "a" * 64
#: Root without the capabilities that let it read and write everything.
WITHOUT_OVERRIDE = [
    "setpriv",
    "--bounding-set=-dac_override,-dac_read_search",
    "--inh-caps=-dac_override,-dac_read_search",
]


def kes(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**clean_environment(), "OPENKES_ENGINE": "auto"}
    return subprocess.run(
        [*KES, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_identity(tmp_path, "server")
    write(tmp_path)
    return tmp_path


def write(folder: Path, **changes: str) -> None:
    sections = {
        "version": "v1",
        "address": "127.0.0.1:0",
        "admin": f"{{identity: {ADMIN}}}",
        "tls": "{key: server.key, cert: server.cert}",
        "keystore": "{fs: {path: keys}}",
        **changes,
    }
    (folder / "config.yml").write_text("".join(f"{key}: {value}\n" for key, value in sections.items()))


def refused(folder: Path, *arguments: str) -> tuple[str, str]:
    """The two lines on stderr: error and hint."""
    result = kes(folder, *(arguments or ("server", "--config", "config.yml")))
    assert (result.returncode, result.stdout) == (1, ""), result
    lines = result.stderr.splitlines()
    assert len(lines) in (1, 2), result.stderr
    assert lines[0].startswith("kes: error: ")
    return lines[0].removeprefix("kes: error: "), lines[1].removeprefix("kes: hint: ") if len(lines) == 2 else ""


def test_check_says_that_a_good_file_is_valid(folder: Path) -> None:
    result = kes(folder, "server", "check", "config.yml")
    assert result.returncode == 0
    assert re.fullmatch(r"config\.yml: valid\nconfiguration: [0-9a-f]{16}\n", result.stdout)
    assert result.stderr == "key store: folder keys: is made when the server starts\n"


def test_check_tries_the_key_store_and_leaves_nothing_behind(folder: Path) -> None:
    (folder / "keys").mkdir()
    result = kes(folder, "server", "check", "config.yml")
    assert result.stderr == "key store: folder keys: create, read, list and delete work\n"
    assert list((folder / "keys").iterdir()) == []


def test_check_offline_leaves_the_key_store_alone(folder: Path) -> None:
    write(folder, keystore="{fs: {path: no/such/folder}}")
    assert kes(folder, "server", "check", "--offline", "config.yml").returncode == 0


def test_check_names_the_missing_permission(folder: Path) -> None:
    (folder / "keys").mkdir(mode=0o500)
    command = [*KES, "server", "check", "config.yml"]
    if os.geteuid() == 0:
        command = [*WITHOUT_OVERRIDE, *command]
    result = subprocess.run(
        command, cwd=folder, env=clean_environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert result.stderr.splitlines()[0].startswith(
        "kes: error: cannot create entries: key store keys: Permission denied"
    )


def test_check_refuses_a_key_that_no_server_starts_with(folder: Path) -> None:
    key, pem = ec.generate_private_key(ec.SECP521R1()), serialization.Encoding.PEM
    plain = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.key").write_bytes(plain)
    (folder / "server.cert").write_bytes(certificate(key, days=(-1, 90)).public_bytes(pem))  # type: ignore[arg-type]
    text, hint = refused(folder, "server", "check", "config.yml")
    assert "of a kind that TLS clients refuse: use ECDSA P-256" in text
    assert hint == "a server would not start with these files"


def test_check_starts_nothing_and_makes_nothing(folder: Path) -> None:
    before = sorted(folder.iterdir())
    kes(folder, "server", "check", "config.yml")
    assert sorted(folder.iterdir()) == before


def test_a_yaml_typo(folder: Path) -> None:
    write(folder, adress="127.0.0.1:1")
    assert refused(folder) == ("config.yml:6: unknown key 'adress'", "did you mean 'address'?")


def test_a_wrong_key_path(folder: Path) -> None:
    write(folder, tls="{key: sever.key, cert: server.cert}")
    assert refused(folder) == (
        "cannot read sever.key (tls.key): No such file or directory",
        "name the server's private key, readable by the server's user",
    )


def test_an_empty_key_file(folder: Path) -> None:
    (folder / "server.key").write_text("")
    assert refused(folder) == ("server.key (tls.key) is empty", "put the server's private key there in PEM form")


def test_an_unreadable_key_file(folder: Path) -> None:
    (folder / "server.key").chmod(0)
    command = [*KES, "server", "--config", "config.yml"]
    if os.geteuid() == 0:
        command = [*WITHOUT_OVERRIDE, *command]
    result = subprocess.run(
        command, cwd=folder, env=clean_environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        "kes: error: cannot read server.key (tls.key): Permission denied",
        "kes: hint: name the server's private key, readable by the server's user",
    ]


def test_a_port_in_use(folder: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        write(folder, address=f"127.0.0.1:{port}")
        text, hint = refused(folder)
    assert text == f"cannot listen on 127.0.0.1:{port}: Address already in use"
    assert f"stop what listens on port {port}" in hint


def test_an_address_of_another_machine(folder: Path) -> None:
    write(folder, address="192.0.2.1:7373")
    text, hint = refused(folder)
    assert text == "cannot listen on 192.0.2.1:7373: Cannot assign requested address"
    assert "0.0.0.0" in hint


def test_an_expired_certificate_is_refused_by_check(folder: Path) -> None:
    from datetime import UTC, datetime

    past = datetime.now(UTC) - timedelta(days=60)
    pair = new_identity("localhost", now=past, expiry=timedelta(days=30))
    (folder / "server.key").write_bytes(pair.key)
    (folder / "server.cert").write_bytes(pair.certificate)
    text, hint = refused(folder, "server", "check", "config.yml")
    assert text.startswith("server.cert: the server's certificate expired on ")
    assert hint == "make a new certificate on the same key"


def test_nothing_to_start_with(folder: Path) -> None:
    text, hint = refused(folder, "server")
    assert text == "there is nothing to start with"
    assert "--dev" in hint


def test_a_root_that_is_no_identity(folder: Path) -> None:
    text, hint = refused(folder, "server", "--key=server.key", "--cert=server.cert", "--root=root.cert")
    assert text == "--root is not an identity (64 hex digits)"
    assert "kes tool identity of" in hint


def test_a_key_folder_that_is_a_file(folder: Path) -> None:
    (folder / "keys").write_text("not a folder")
    text, _ = refused(folder)
    assert text.startswith("key store keys: ")
    assert (folder / "keys").read_text() == "not a folder"


def test_an_audit_file_in_no_folder(folder: Path) -> None:
    write(folder, audit="{file: no/audit.jsonl}")
    text, hint = refused(folder)
    assert text == "cannot open the audit log no/audit.jsonl: No such file or directory"
    assert "audit.file" in hint
