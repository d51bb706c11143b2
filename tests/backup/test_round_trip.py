"""From one server to another on a new folder, by way of a backup: every ciphertext opens."""

from __future__ import annotations

import json
import subprocess
from base64 import b64decode
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyrage
import pytest

from openkes.client import AnswerError, Client
from openkes.keystore.fs import FileStore
from tests.servers import KES, KeyServer, clean_environment, running

VECTORS = Path(__file__).parent.parent / "vectors"
KES_ROWS = json.loads((VECTORS / "kes.json").read_text())
LEGACY = [row for row in json.loads((VECTORS / "legacy.json").read_text())["entries"] if row["expect"] == "key"]
CONTEXT = b"bucket/object"

SEALS: dict[str, dict[str, Any] | None] = {
    "plain": None,
    "key": {"key": {"file": "seal.key"}},
    "passphrase": {"key": {"passphrase_file": "seal.passphrase"}},
}


def store(folder: Path, seal: str) -> dict[str, Any]:
    """A keystore section, with its files."""
    for name, content in (("seal.key", bytes(range(200, 232))), ("seal.passphrase", b"correct horse\n")):
        (folder / name).touch(mode=0o600)
        (folder / name).write_bytes(content)
    return {"fs": {"path": str(folder / "keys")} | ({"seal": SEALS[seal]} if SEALS[seal] else {})}


def kes(folder: Path, *arguments: str) -> str:
    """Standard output; AssertionError with its stderr when it fails."""
    done = subprocess.run(
        [*KES, *arguments], cwd=folder, env=clean_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def put_recorded(folder: Path) -> dict[str, bytes]:
    """What upstream wrote, as an operator who moves over puts it there: plain files."""
    entries = {row["name"]: row["entry"].encode() for row in KES_ROWS["entries"]}
    entries |= {f"legacy-{number}": row["entry"].encode() for number, row in enumerate(LEGACY)}
    entries["with-newline"] = entries["pub-aes256-import"] + b"\n"
    files = FileStore(folder)
    for name, value in entries.items():
        files.create(name, value)
    return entries


def use(client: Client) -> list[tuple[str, bytes, bytes]]:
    """Keys of every algorithm, rotated ones, with what they encrypted: (name, plaintext, ciphertext)."""
    made = []
    client.create_key("created")
    client.import_key("imported-aes", bytes(range(32)), "AES256")
    client.import_key("imported-chacha", bytes(range(32)), "ChaCha20")
    for name in ("created", "imported-aes", "imported-chacha"):
        made.append((name, *client.generate(name, CONTEXT)))
        client.rotate_key(name)
        made.append((name, *client.generate(name, CONTEXT)))
        made.append((name, b"text", client.encrypt(name, b"text", CONTEXT)))
    client.create_key("deleted")
    made.append(("deleted", *client.generate("deleted", CONTEXT)))
    client.delete_key("deleted")
    return made


def check(server: KeyServer, made: Sequence[tuple[str, bytes, bytes]], hmacs: dict[str, bytes]) -> None:
    with server.client() as client:
        assert list(client.pending_keys()) == ["deleted"]
        with pytest.raises(AnswerError):
            client.decrypt("deleted", made[-1][2], CONTEXT)
        client.undelete_key("deleted")
        for name, plaintext, ciphertext in made:
            assert client.decrypt(name, ciphertext, CONTEXT) == plaintext
        for name, digest in hmacs.items():
            assert client.hmac(name, b"message") == digest
        for row in KES_ROWS["ciphertexts"][:40]:
            opened = client.decrypt(row["key"], b64decode(row["ciphertext"]), b64decode(row["context"] or ""))
            assert opened == b64decode(row["plaintext"])
        for row in KES_ROWS["hmacs"][:5]:
            assert client.hmac(row["key"], b64decode(row["message"])) == b64decode(row["hmac"])


@pytest.mark.parametrize(("before", "after"), [("plain", "plain"), ("plain", "key"), ("key", "plain")])
def test_a_new_host_opens_everything(tmp_path: Path, before: str, after: str) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    new.mkdir()
    recorded: dict[str, bytes] = {}
    if before == "plain":
        recorded = put_recorded(old / "keys")
    else:
        put_recorded(old / "plain")
        (old / "plain.yml").write_text(f"keystore: {{fs: {{path: {old / 'plain'}}}}}\n")
        (old / "sealed.yml").write_text(json.dumps({"keystore": store(old, before)}))
        kes(old, "migrate", "--from", "plain.yml", "--to", "sealed.yml")
    identity = pyrage.x25519.Identity.generate()
    (tmp_path / "age.key").touch(mode=0o600)
    (tmp_path / "age.key").write_text(f"{identity}\n")
    with running(old, {"keystore": store(old, before)}) as server:
        with server.client() as client:
            made = use(client)
            hmacs = {name: client.hmac(name, b"message") for name in ("created", "imported-aes", "imported-chacha")}
        # While the server runs.
        kes(old, "backup", "--config", "config.yml", "--recipient", str(identity.to_public()), "../keys.backup")
    backup = (tmp_path / "keys.backup").read_bytes()
    assert b"entry" not in backup

    (new / "restore.yml").write_text(json.dumps({"keystore": store(new, after)}))
    kes(new, "restore", "--config", "restore.yml", "--identity", "../age.key", "../keys.backup")
    with running(new, {"keystore": store(new, after)}) as server:
        check(server, made, hmacs)
    if after == "plain":
        for name, value in recorded.items():
            assert (new / "keys" / name).read_bytes() == value


def test_a_passphrase_sealed_store_survives_a_restart(tmp_path: Path) -> None:
    with running(tmp_path, {"keystore": store(tmp_path, "passphrase")}) as server, server.client() as client:
        client.create_key("key")
        plaintext, ciphertext = client.generate("key")
    with running(tmp_path, {"keystore": store(tmp_path, "passphrase")}) as server, server.client() as client:
        assert client.decrypt("key", ciphertext) == plaintext


def test_a_sealed_entry_under_another_name_is_a_malformed_key(tmp_path: Path) -> None:
    with running(tmp_path, {"keystore": store(tmp_path, "key")}) as server, server.client() as client:
        client.create_key("key")
        (tmp_path / "keys" / "other").write_bytes((tmp_path / "keys" / "key").read_bytes())
        with pytest.raises(AnswerError, match="stored key 'other' is malformed") as caught:
            client.generate("other")
        assert caught.value.status == 500
        assert "was stored under another name" in server.stderr
        with pytest.raises(AnswerError):
            client.create_key("other")
        client.generate("key")


def test_a_server_with_the_wrong_key_does_not_start(tmp_path: Path) -> None:
    with running(tmp_path, {"keystore": store(tmp_path, "key")}) as server, server.client() as client:
        client.create_key("key")
    (tmp_path / "seal.key").write_bytes(bytes(range(100, 132)))
    done = subprocess.run(
        [*KES, "server", "--config", "config.yml"],
        cwd=tmp_path, env=clean_environment(), capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert "does not open the sealed key store" in done.stderr
    assert "Traceback" not in done.stderr
