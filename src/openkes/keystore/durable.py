"""Files that are whole, private and on the disk before anybody can see them under their name.

Used for entries, marker, witness and seal alike: written under a name of its own, synced, then linked or renamed by
the caller. Must not know what is in them.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TEMPORARY = ".tmp-"  # begins the names that the fs store sweeps


def temporary_in(folder: Path) -> Path:
    """A free name in `folder` that no key has."""
    return folder / f"{TEMPORARY}{secrets.token_hex(8)}"


@contextmanager
def written(folder: Path, data: bytes, owner: Path) -> Iterator[Path]:
    """A synced file in `folder`, mode 0600, owned by the owner of `owner`; gone at the end unless renamed. OSError."""
    temporary = temporary_in(folder)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            _give(stream.fileno(), owner)
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        yield temporary
    finally:
        clear(temporary)


def clear(temporary: Path) -> None:
    """Remove a name that nobody uses; the next start sweeps what stays, and no call fails for it."""
    with contextlib.suppress(OSError):
        temporary.unlink(missing_ok=True)


def sync_folder(path: Path) -> None:
    """The names in `path` to the disk. OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _give(descriptor: int, folder: Path) -> None:
    """Root writes for the owner of the folder: a restore by root must not leave files that the server cannot read."""
    if os.geteuid() == 0:
        owner = folder.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
