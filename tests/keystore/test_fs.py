"""The fs store keeps the interface, and its own promises: whole files, durable, private, nothing lost by a fault."""

from __future__ import annotations

import errno
import os
import shutil
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
    assert sorted(file.name for file in folder.iterdir()) == [".openkes", young.name, "key"]


def test_another_process_that_writes_while_the_store_is_opened_does_no_harm(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FileStore(folder).create("key", b"entry")
    (folder / ".tmp-0123456789abcdef").write_bytes(b"ent")

    def finished(temporary: Path) -> os.stat_result:
        temporary.unlink()
        return temporary.stat(follow_symlinks=False)

    monkeypatch.setattr(Path, "lstat", finished)
    assert FileStore(folder).get("key") == b"entry"


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
    assert [file.name for file in folder.iterdir()] == [".openkes"]
    store.create("key", b"entry")
    assert store.get("key") == b"entry"


def test_a_vanished_folder_is_an_unreachable_store_not_an_absent_key(folder: Path) -> None:
    store = FileStore(folder)
    shutil.rmtree(folder)
    for call in (lambda: store.get("key"), lambda: store.delete("key"), store.status):
        with pytest.raises(Unreachable, match="the folder is gone"):
            call()


def _unmount(folder: Path) -> None:
    """As it looks when the disk of the folder is gone: another, empty folder."""
    folder.rename(folder.with_name("disk"))
    folder.mkdir()


def test_after_an_unmount_no_key_is_absent_or_made_anew(folder: Path) -> None:
    store = FileStore(folder)
    store.create("key", b"entry")
    _unmount(folder)
    for call in (
        lambda: store.get("key"),
        lambda: store.list("", 10),
        lambda: store.create("key", b"new"),
        lambda: store.delete("key"),
        store.status,
    ):
        with pytest.raises(Unreachable, match="it has no marker; mount or restore it"):
            call()
    assert list(folder.iterdir()) == []
    folder.rmdir()
    folder.with_name("disk").rename(folder)
    assert store.get("key") == b"entry"


def test_another_store_in_the_place_of_an_open_one(folder: Path, tmp_path: Path) -> None:
    store = FileStore(folder)
    folder.rename(tmp_path / "disk")
    FileStore(tmp_path / "other")
    (tmp_path / "other").rename(folder)
    with pytest.raises(Unreachable, match="holds another key store"):
        store.create("key", b"new")


def _no_sync(_: Path) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_created_name_that_is_not_durable_is_not_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FileStore(folder)
    with monkeypatch.context() as patch:
        patch.setattr("openkes.keystore.fs.sync_folder", _no_sync)
        with pytest.raises(Unreachable, match="Input/output error"):
            store.create("key", b"entry")
    assert [file.name for file in folder.iterdir()] == [".openkes"]
    store.create("key", b"entry")


def test_a_replacement_that_is_not_durable_is_undone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FileStore(folder)
    store.create("key", b"old")
    with monkeypatch.context() as patch:
        patch.setattr("openkes.keystore.fs.sync_folder", _no_sync)
        with pytest.raises(Unreachable, match="Input/output error"):
            store.replace("key", b"old", b"new")
    assert store.get("key") == b"old"
    assert sorted(file.name for file in folder.iterdir()) == [".openkes", "key"]


def test_opening_makes_durable_what_a_killed_server_linked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FileStore(folder).create("key", b"entry")
    synced = []
    monkeypatch.setattr("openkes.keystore.fs.sync_folder", synced.append)
    FileStore(folder)
    assert synced == [folder]


def test_a_path_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("")
    with pytest.raises(Unreachable, match=r"keys: Not a directory"):
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


def test_an_emptied_folder_is_refused(folder: Path) -> None:
    FileStore(folder).create("key", b"entry")
    for file in folder.iterdir():
        file.unlink()
    with pytest.raises(
        Unreachable, match="a key store was here and the folder is empty; mount or restore it"
    ) as caught:
        FileStore(folder)
    assert f"if a new store is meant, remove {folder.parent}/.keys.openkes" in str(caught.value)
    assert list(folder.iterdir()) == []


def test_a_folder_that_is_gone_is_refused_and_not_made(folder: Path) -> None:
    FileStore(folder).create("key", b"entry")
    shutil.rmtree(folder)
    with pytest.raises(Unreachable, match="its folder is gone"):
        FileStore(folder)
    assert not folder.exists()


def test_a_folder_with_other_files_is_refused(folder: Path) -> None:
    FileStore(folder).create("key", b"entry")
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "other-key").write_bytes(b"entry")
    with pytest.raises(Unreachable, match="is not the one that was here"):
        FileStore(folder)


def test_another_store_is_refused(folder: Path, tmp_path: Path) -> None:
    FileStore(folder)
    FileStore(tmp_path / "other")
    shutil.rmtree(folder)
    (tmp_path / "other").rename(folder)
    with pytest.raises(Unreachable, match="holds another key store"):
        FileStore(folder)


def test_the_explicit_way_on_works(folder: Path) -> None:
    FileStore(folder)
    shutil.rmtree(folder)
    (folder.parent / ".keys.openkes").unlink()
    FileStore(folder).create("key", b"entry")


def test_a_store_that_was_moved_here_whole_is_taken(folder: Path, tmp_path: Path) -> None:
    FileStore(folder).create("key", b"entry")
    folder.rename(tmp_path / "elsewhere")
    assert FileStore(tmp_path / "elsewhere").get("key") == b"entry"


def test_a_folder_of_upstream_is_taken(folder: Path) -> None:
    folder.mkdir()
    (folder / "key").write_bytes(b"entry")
    assert FileStore(folder).get("key") == b"entry"
    assert FileStore(folder).get("key") == b"entry"


def test_a_restored_folder_is_the_same_store(folder: Path, tmp_path: Path) -> None:
    FileStore(folder).create("key", b"entry")
    shutil.copytree(folder, tmp_path / "copy")
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "copy", folder)
    assert FileStore(folder).get("key") == b"entry"


def test_a_crash_between_marker_and_witness_is_mended(folder: Path) -> None:
    FileStore(folder)
    (folder.parent / ".keys.openkes").unlink()
    FileStore(folder)
    assert (folder.parent / ".keys.openkes").exists()


def test_a_damaged_marker_is_refused(folder: Path) -> None:
    FileStore(folder)
    (folder / ".openkes").write_text("{")
    with pytest.raises(Unreachable, match="is damaged"):
        FileStore(folder)


def test_a_look_leaves_no_marker(folder: Path) -> None:
    folder.mkdir()
    FileStore(folder, initialise=False).status()
    assert list(folder.iterdir()) == []
    assert not (folder.parent / ".keys.openkes").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can write for somebody else")
def test_root_writes_for_the_owner_of_the_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    os.chown(folder, 12345, 12346)
    store = FileStore(folder)
    store.create("key", b"old")
    store.replace("key", b"old", b"new")
    for file in (folder / "key", folder / ".openkes", folder.parent / ".keys.openkes"):
        assert (file.stat().st_uid, file.stat().st_gid) == (12345, 12346)
