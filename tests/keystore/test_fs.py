"""The fs store keeps the interface, and its own promises: whole files, durable, private, nothing lost by a fault."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from openkes.keystore import KeyNotFound, Unreachable
from openkes.keystore.fs import FileStore
from tests.keystore.conformance import Conformance


class TestFileStore(Conformance):
    @pytest.fixture
    def store(self, tmp_path: Path) -> FileStore:
        return FileStore(tmp_path / "keys")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def test_a_key_is_a_private_file_with_the_entry_as_content(folder: Path) -> None:
    FileStore(folder).create("key", b"entry")
    assert (folder / "key").read_bytes() == b"entry"
    assert stat.S_IMODE((folder / "key").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_keys_are_there_for_the_next_process(folder: Path) -> None:
    FileStore(folder).create("key", b"entry")
    assert FileStore(folder).get("key") == b"entry"


def test_a_half_written_file_of_a_killed_server_is_cleared(folder: Path) -> None:
    store = FileStore(folder)
    store.create("key", b"entry")
    left, young = folder / ".tmp-0123456789abcdef", folder / ".tmp-fedcba9876543210"
    for file in (left, young):
        file.write_bytes(b"ent")
    os.utime(left, (0, 0))
    store = FileStore(folder)
    assert store.list("", 10).names == ["key"]
    assert sorted(file.name for file in folder.iterdir()) == [young.name, "key"]


def test_foreign_files_are_not_keys_and_stay(folder: Path) -> None:
    folder.mkdir()
    (folder / "README.txt").write_text("hello")
    (folder / "lost+found").mkdir()
    store = FileStore(folder)
    assert store.list("", 10).names == []
    assert (folder / "README.txt").exists()


@pytest.mark.parametrize("call", [os.fsync, os.link, os.open], ids=lambda call: call.__name__)
def test_a_full_disk_leaves_no_name_behind(folder: Path, monkeypatch: pytest.MonkeyPatch, call: object) -> None:
    store = FileStore(folder)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, call.__name__, full)  # type: ignore[attr-defined]
        with pytest.raises(Unreachable, match=r"No space left on device; free some space"):
            store.create("key", b"entry")
    assert list(folder.iterdir()) == []
    store.create("key", b"entry")
    assert store.get("key") == b"entry"


def test_a_vanished_folder_is_an_unreachable_store_not_an_absent_key(folder: Path) -> None:
    store = FileStore(folder)
    folder.rmdir()
    for call in (lambda: store.get("key"), lambda: store.delete("key"), store.status):
        with pytest.raises(Unreachable, match="the folder is gone"):
            call()


def test_a_path_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("")
    with pytest.raises(Unreachable, match=r"keys: File exists"):
        FileStore(tmp_path / "keys")


def test_a_missing_parent_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="No such file or directory"):
        FileStore(tmp_path / "no" / "keys")


@pytest.mark.parametrize("name", ["../outside", ".", "..", "a/b", ""])
def test_names_cannot_leave_the_folder(folder: Path, name: str) -> None:
    store = FileStore(folder)
    (folder.parent / "outside").write_bytes(b"secret")
    with pytest.raises(KeyNotFound):
        store.get(name)
