"""`keystore.fs.seal`: what may stand there, and the secret behind it."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest

from openkes.config import seal
from openkes.config.keystores.fs import FSSettings
from openkes.config.load import load_keystore
from openkes.config.node import ConfigError
from openkes.config.schema import Seal, SealSource
from openkes.config.stores import open_store
from openkes.crypto import entry
from openkes.errors import OperatorError
from openkes.keystore.fs import FileStore
from openkes.keystore.seal_file import Passphrase, SealKey

KEY = bytes(range(200, 232))


def settings(folder: Path, section: str) -> FSSettings:
    file = folder / "config.yml"
    file.write_text(f"version: v1\nkeystore:\n  fs:\n    path: {folder / 'keys'}\n    seal: {section}\n")
    found = load_keystore(file)
    assert isinstance(found, FSSettings)
    return found


def private(file: Path, content: bytes) -> Path:
    file.touch(mode=0o600)
    file.write_bytes(content)
    return file


@pytest.mark.parametrize("source", list(SealSource))
def test_every_source_is_read(tmp_path: Path, source: SealSource) -> None:
    found = settings(tmp_path, f"{{key: {{{source.value}: name}}}}")
    assert found.seal == Seal(source, "name")


@pytest.mark.parametrize(
    ("section", "text"),
    [
        ("{}", "'keystore.fs.seal.key' is missing"),
        ("{key: {}}", "names 0 sources"),
        ("{key: {file: a, credential: b}}", "names 2 sources"),
        ("{key: {fiel: a}}", "unknown key 'keystore.fs.seal.key.fiel'"),
        ("{key: {file: ''}}", "is empty"),
        ("{key: {credential: a/b}}", "is a path"),
        ("{keys: {file: a}}", "unknown key 'keystore.fs.seal.keys'"),
    ],
)
def test_faults_in_the_section(tmp_path: Path, section: str, text: str) -> None:
    with pytest.raises(ConfigError, match=r"config\.yml:5: .*" + text.replace(".", r"\.")):
        settings(tmp_path, section)


@pytest.mark.parametrize(
    "content",
    [KEY, KEY.hex().encode(), KEY.hex().upper().encode() + b"\n", b64encode(KEY), b64encode(KEY) + b"\r\n"],
)
def test_forms_of_a_key_file(tmp_path: Path, content: bytes) -> None:
    found = seal.secret(Seal(SealSource.FILE, str(private(tmp_path / "key", content))))
    assert isinstance(found, SealKey)
    assert found.key == KEY


@pytest.mark.parametrize(
    "content",
    [
        b"",
        KEY[:31],
        KEY + b"\n",
        b"correct-horse-battery-staple-123"[:32],
        KEY.hex().encode()[:-2],
        b64encode(KEY[:24]),
    ],
)
def test_what_is_no_key(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(OperatorError, match=f"no sealing key .* {len(content)} bytes") as caught:
        seal.secret(Seal(SealSource.FILE, str(private(tmp_path / "key", content))))
    assert "openssl rand -hex 32" in caught.value.hint
    assert "horse" not in str(caught.value).replace(str(tmp_path), "")


@pytest.mark.parametrize("source", [SealSource.FILE, SealSource.PASSPHRASE_FILE])
@pytest.mark.parametrize("mode", [0o604, 0o602])
def test_a_file_that_is_open_to_everybody(tmp_path: Path, source: SealSource, mode: int) -> None:
    file = private(tmp_path / "key", KEY.hex().encode())
    file.chmod(mode)
    with pytest.raises(OperatorError, match="open to every user"):
        seal.secret(Seal(source, str(file)))


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match=r"no \(keystore\.fs\.seal\.key\.file\): No such file"):
        seal.secret(Seal(SealSource.FILE, str(tmp_path / "no")))


def test_a_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    private(tmp_path / "seal", KEY)
    found = seal.secret(Seal(SealSource.CREDENTIAL, "seal"))
    assert isinstance(found, SealKey)
    assert found.key == KEY


def test_a_credential_that_systemd_did_not_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    with pytest.raises(OperatorError, match="No such file") as caught:
        seal.secret(Seal(SealSource.CREDENTIAL, "seal"))
    assert "LoadCredential=seal:" in caught.value.hint


def test_a_credential_outside_systemd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(OperatorError, match="CREDENTIALS_DIRECTORY is not set"):
        seal.secret(Seal(SealSource.CREDENTIAL, "seal"))


def test_a_passphrase_is_the_first_line(tmp_path: Path) -> None:
    file = private(tmp_path / "pw", b"correct horse\r\na note\n")
    found = seal.secret(Seal(SealSource.PASSPHRASE_FILE, str(file)))
    assert isinstance(found, Passphrase)
    assert found.passphrase == b"correct horse"


def test_an_empty_passphrase(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match=r"the first line of .* is empty"):
        seal.secret(Seal(SealSource.PASSPHRASE_FILE, str(private(tmp_path / "pw", b"\nx\n"))))


def test_a_secret_that_cannot_be_read_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(OperatorError):
        open_store(settings(tmp_path, f"{{key: {{file: {tmp_path / 'no'}}}}}"))
    assert not (tmp_path / "keys").exists()


def test_a_sealed_folder_without_the_setting_does_not_open(tmp_path: Path) -> None:
    key = private(tmp_path / "key", KEY)
    open_store(settings(tmp_path, f"{{key: {{file: {key}}}}}")).create("key", b"entry")
    with pytest.raises(OperatorError, match="is sealed") as caught:
        open_store(FSSettings(tmp_path / "keys"))
    assert "keystore.fs.seal" in caught.value.hint


def test_a_stray_sealed_entry_in_a_plain_folder_names_the_setting(tmp_path: Path) -> None:
    key = private(tmp_path / "key", KEY)
    open_store(settings(tmp_path, f"{{key: {{file: {key}}}}}")).create("key", b"entry")
    plain = FileStore(tmp_path / "plain")
    plain.create("key", FileStore(tmp_path / "keys").get("key"))
    with pytest.raises(entry.MalformedEntry, match=r"keystore\.fs\.seal"):
        entry.decode(plain.get("key"), "key")
