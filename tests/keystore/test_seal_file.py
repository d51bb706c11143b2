"""`.seal`: a wrong key is known at the start, and no second seal is ever put beside the first."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import msgspec
import pytest

from openkes.errors import OperatorError
from openkes.keystore.fs import FileStore
from openkes.keystore.seal_file import NAME, Passphrase, SealKey, Secret, unlock
from openkes.keystore.sealed import SealedStore

KEY = SealKey(bytes(range(32)), "the key file")
PASSPHRASE = Passphrase(b"correct horse", "the passphrase file")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def opened(folder: Path, secret: Secret) -> SealedStore:
    store = FileStore(folder)
    return SealedStore(store, unlock(folder, store, secret))


@pytest.mark.parametrize("secret", [KEY, PASSPHRASE])
def test_the_next_process_opens_it(folder: Path, secret: Secret) -> None:
    opened(folder, secret).create("key", b"entry")
    assert opened(folder, secret).get("key") == b"entry"


def test_the_file_is_private_and_no_key(folder: Path) -> None:
    store = opened(folder, KEY)
    assert stat.S_IMODE((folder / NAME).stat().st_mode) == 0o600
    assert store.list("", 10).names == []


def test_the_file_of_a_key_holds_no_key(folder: Path) -> None:
    opened(folder, KEY)
    assert set(msgspec.json.decode((folder / NAME).read_bytes())) == {"version", "kdf", "check"}
    assert KEY.key.hex() not in (folder / NAME).read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_a_check_by_root_leaves_the_file_to_the_owner_of_the_folder(folder: Path) -> None:
    store = FileStore(folder)
    os.chown(folder, 65534, 65534)
    unlock(folder, store, KEY)
    assert (folder / NAME).stat().st_uid == 65534


@pytest.mark.parametrize(
    ("first", "second", "text"),
    [
        (KEY, SealKey(bytes(32), "the other file"), r"the other file does not open"),
        (PASSPHRASE, Passphrase(b"Correct horse", "pw"), r"pw does not open"),
        (KEY, PASSPHRASE, r"sealed with a key, not with a passphrase"),
        (PASSPHRASE, KEY, r"sealed with a passphrase, not with a key"),
    ],
)
def test_a_wrong_secret_is_one_error_at_the_start(folder: Path, first: Secret, second: Secret, text: str) -> None:
    opened(folder, first).create("key", b"entry")
    with pytest.raises(OperatorError, match=text):
        opened(folder, second)


def test_a_wrong_secret_is_refused_while_there_are_no_keys_yet(folder: Path) -> None:
    opened(folder, KEY)
    with pytest.raises(OperatorError, match="does not open"):
        opened(folder, SealKey(bytes(32), "the other file"))


def test_plain_entries_are_not_sealed_over(folder: Path) -> None:
    FileStore(folder).create("key", b"CiQKIPWx")
    with pytest.raises(OperatorError, match="plain entries") as caught:
        opened(folder, KEY)
    assert "kes migrate" in caught.value.hint
    assert not (folder / NAME).exists()


def test_a_lost_file_is_made_anew_for_the_right_key(folder: Path) -> None:
    opened(folder, KEY).create("key", b"entry")
    (folder / NAME).unlink()
    assert opened(folder, KEY).get("key") == b"entry"
    assert (folder / NAME).exists()


def test_a_lost_file_is_not_made_anew_for_another_key(folder: Path) -> None:
    opened(folder, KEY).create("key", b"entry")
    (folder / NAME).unlink()
    with pytest.raises(OperatorError, match="does not open key"):
        opened(folder, SealKey(bytes(32), "the other file"))
    assert not (folder / NAME).exists()


def test_a_lost_salt_is_never_replaced_by_another(folder: Path) -> None:
    opened(folder, PASSPHRASE).create("key", b"entry")
    (folder / NAME).unlink()
    with pytest.raises(OperatorError, match="is gone"):
        opened(folder, PASSPHRASE)
    assert not (folder / NAME).exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda seal: b"",
        lambda seal: b"[]",
        lambda seal: seal[:-20],
        lambda seal: seal.replace(b'"version": 1', b'"version": 2'),
        lambda seal: seal.replace(b'"log2_n": 17', b'"log2_n": 60'),
        lambda seal: seal.replace(b'"scrypt"', b'"argon2"'),
    ],
)
def test_a_damaged_file(folder: Path, change: object) -> None:
    opened(folder, PASSPHRASE)
    seal = (folder / NAME).read_bytes()
    damaged = change(seal)  # type: ignore[operator]
    assert damaged != seal
    (folder / NAME).write_bytes(damaged)
    with pytest.raises(OperatorError, match="is damaged, or written by a newer openkes"):
        opened(folder, PASSPHRASE)


def test_a_process_that_was_slower_takes_the_seal_of_the_faster(folder: Path) -> None:
    class Slow(FileStore):
        """Another process makes the seal after this one saw none."""

        def list(self, prefix: str, limit: int, start: str = "") -> object:  # type: ignore[override]
            found = super().list(prefix, limit, start)
            keys.append(unlock(folder, FileStore(folder), PASSPHRASE))
            return found

    keys: list[bytes] = []
    keys.append(unlock(folder, Slow(folder), PASSPHRASE))
    assert keys[0] == keys[1]
    assert sorted(file.name for file in folder.iterdir() if file.name.startswith(".tmp-")) == []


def test_secrets_do_not_show(folder: Path) -> None:
    assert "correct horse" not in repr(PASSPHRASE)
    assert repr(KEY.key) not in repr(KEY)


@pytest.mark.parametrize("secret", [KEY, PASSPHRASE])
def test_a_mere_look_writes_nothing(folder: Path, secret: Secret) -> None:
    store = FileStore(folder, initialise=False)
    unlock(folder, store, secret, initialise=False)
    assert list(folder.iterdir()) == []
