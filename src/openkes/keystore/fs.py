"""The key store in a folder: a file per key, named as the key, mode 0600.

Owns atomic, durable files. Must not know what an entry is.
A file under a key's name is always whole: it is written and synced under another name, then linked, and a link
fails where the name is taken. Names of its own start with a dot, which no key name does.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from openkes import names
from openkes.keystore import KeyExists, KeyNotFound, Page, Status, Unreachable, marker
from openkes.keystore.durable import TEMPORARY, clear, sync_folder, temporary_in, written
from openkes.keystore.paging import page_of

_T = TypeVar("_T")
_LEFTOVER_AGE = 600.0  # seconds; writing a few hundred bytes takes far less, even on a bad disk
_HINTS = {
    errno.ENOSPC: "free some space there, then try again",
    errno.EDQUOT: "raise the quota or free some space, then try again",
    errno.EACCES: "let the server's user own the folder (mode 0700) and its files (mode 0600)",
    errno.EPERM: "let the server's user own the folder (mode 0700) and its files (mode 0600)",
    errno.EROFS: "the file system is mounted read-only: mount it read-write",
    errno.ENOENT: "the folder is gone: mount or restore it; it is not made anew under a running server",
    errno.ENOTDIR: "it is not a folder: name a folder as keystore.fs.path",
    errno.EMFILE: "raise the open-file limit of the server (LimitNOFILE)",
}


class FileStore:
    """Implements `KeyStore` over `path`, which is made (0700) if its parent exists."""

    def __init__(self, path: Path, initialise: bool = True) -> None:
        """`initialise` False: give a new folder no marker, as a mere check should not. Unreachable also for an empty
        or foreign folder where a store was."""
        self._path = path
        self._initialise = initialise
        self._id = ""
        self._closed = False
        self._guard(self._open)

    def _open(self) -> None:
        self._id = marker.check(self._path)
        if not self._path.is_dir():
            if self._path.exists():
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            self._path.mkdir(mode=0o700)
            sync_folder(self._path.parent)
        if self._initialise:
            self._id = marker.mark(self._path)
        with os.scandir(self._path) as entries:
            temporaries = [Path(entry.path) for entry in entries if entry.name.startswith(TEMPORARY)]
        old = time.time() - _LEFTOVER_AGE
        for temporary in temporaries:
            # What a killed server left half-written. It never had a key's name, so nothing is lost with it.
            # A young one may be another process's that is still writing; it can end, and take it away, at any moment.
            with contextlib.suppress(FileNotFoundError):
                if temporary.lstat().st_mtime < old:
                    temporary.unlink()
        # A killed server may have linked a name that is not on the disk yet; from here on it is used.
        sync_folder(self._path)

    def create(self, name: str, value: bytes) -> None:
        self._guard(lambda: self._create(self._file(name), value))

    def _create(self, file: Path, value: bytes) -> None:
        if file.exists():
            raise KeyExists(file.name)
        # The folder of an unmounted disk is there and empty: a key must not be made anew in it.
        self._check_folder()
        with written(self._path, value, self._path) as temporary:
            try:
                os.link(temporary, file)
            except FileExistsError:
                raise KeyExists(file.name) from None
            self._sync(file.unlink)

    def _sync(self, undo: Callable[[], object]) -> None:
        """The folder to the disk; what cannot be made durable is undone. Whoever saw it would use it, and a power cut
        would take it, and all that was encrypted with it."""
        try:
            sync_folder(self._path)
        except OSError:
            with contextlib.suppress(OSError):
                undo()
            raise

    def get(self, name: str) -> bytes:
        return self._guard(lambda: self._get(self._file(name)))

    def _get(self, file: Path) -> bytes:
        try:
            return file.read_bytes()
        except FileNotFoundError:
            self._check_folder()
            raise KeyNotFound(file.name) from None

    def replace(self, name: str, old: bytes, new: bytes) -> None:
        self._guard(lambda: self._replace(self._file(name), old, new))

    def _replace(self, file: Path, old: bytes, new: bytes) -> None:
        with written(self._path, new, self._path) as temporary, self._alone():
            if self._get(file) != old:
                raise KeyExists(file.name)
            kept = temporary_in(self._path)
            os.link(file, kept)
            try:
                temporary.rename(file)
                self._sync(lambda: kept.rename(file))
            finally:
                clear(kept)

    def delete(self, name: str) -> None:
        self._guard(lambda: self._delete(self._file(name)))

    def _delete(self, file: Path) -> None:
        with self._alone():
            try:
                file.unlink()
            except FileNotFoundError:
                self._check_folder()
                raise KeyNotFound(file.name) from None
            sync_folder(self._path)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other thread or process replaces or deletes meanwhile: comparing and renaming are two steps."""
        descriptor = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def list(self, prefix: str, limit: int, start: str = "") -> Page:
        def page() -> Page:
            self._check_folder()
            return page_of(self._names(), prefix, limit, start)

        return self._guard(page)

    def _names(self) -> Iterator[str]:
        with os.scandir(self._path) as entries:
            yield from (entry.name for entry in entries if names.is_valid(entry.name) and entry.is_file())

    def status(self) -> Status:
        begin = time.perf_counter()
        self._guard(self._check_folder)
        return Status(time.perf_counter() - begin)

    def close(self) -> None:
        self._closed = True

    def _check_folder(self) -> None:
        # A missing file means "no such key" only while the store is there: an unmounted disk loses no key.
        os.scandir(self._path).close()
        if self._id:
            marker.confirm(self._path, self._id)

    def _file(self, name: str) -> Path:
        if not names.is_valid(name):
            raise KeyNotFound(name)
        return self._path / name

    def _guard(self, call: Callable[[], _T]) -> _T:
        if self._closed:
            raise Unreachable(f"key store {self._path}: it is closed")
        try:
            return call()
        except marker.WrongFolder as error:
            raise Unreachable(f"key store {self._path}: {error}") from error
        except OSError as error:
            hint = _HINTS.get(error.errno or 0, "look at the disk and the system log")
            raise Unreachable(f"key store {self._path}: {error.strerror}; {hint}") from error
