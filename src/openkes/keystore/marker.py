"""Whether a folder is the key store that was here before.

A marker in the folder gives the store an id; a witness beside the folder remembers the id. A disk that is not mounted,
an emptied or a foreign folder is then told apart from a new store, and refused: MinIO would have a new key made under
the old name, and everything written before could not be opened any more.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
from pathlib import Path

_log = logging.getLogger(__name__)
MARKER = ".openkes"


class WrongFolder(Exception):
    """The text says what is wrong and how to go on."""


def witness_of(folder: Path) -> Path:
    """Beside the folder, so that it stays when the folder is a mount point without its disk."""
    return folder.parent / f".{folder.name}.openkes"


def check(folder: Path) -> str:
    """The id of the store in `folder`, "" for a new one. Changes nothing. WrongFolder; OSError."""
    witness, remembered = witness_of(folder), _read(witness_of(folder))
    if not remembered:
        return _read(folder / MARKER) if folder.is_dir() else ""
    on = f"mount or restore it; if a new store is meant, remove {witness}"
    if not folder.is_dir():
        raise WrongFolder(f"a key store was here and its folder is gone; {on}")
    found = _read(folder / MARKER)
    if not found:
        with os.scandir(folder) as entries:
            empty = not any(entries)
        what = "is empty" if empty else "is not the one that was here: it has no marker"
        raise WrongFolder(f"a key store was here and the folder {what}; {on}")
    if found != remembered:
        raise WrongFolder(f"the folder holds another key store ({found}) than was here before ({remembered}); {on}")
    return found


def confirm(folder: Path, store: str) -> None:
    """That the folder of an open store is still the one that was opened. WrongFolder; OSError."""
    found = _read(folder / MARKER)
    if not found:
        raise WrongFolder("the folder is not the one that was opened: it has no marker; mount or restore it")
    if found != store:
        raise WrongFolder(
            f"the folder holds another key store ({found}) than was opened ({store}); mount or restore it"
        )


def mark(folder: Path) -> str:
    """Give a checked folder its marker and its witness, where they are missing; the store's id. OSError for the
    marker only."""
    found = check(folder)
    if not found:
        found = secrets.token_hex(8)
        # First the marker: with a witness alone, a start after a crash here would refuse the folder.
        write_private(folder / MARKER, _document(found), folder)
    if not _read(witness_of(folder)):
        try:
            write_private(witness_of(folder), _document(found), folder)
        except OSError as error:
            _log.warning(
                "cannot remember the key store in %s: %s; an emptied folder would not be noticed",
                witness_of(folder),
                error.strerror,
            )
    return found


def _document(store: str) -> bytes:
    note = "openkes: this names a key store; without it an empty or foreign folder would not be noticed"
    return json.dumps({"store": store, "note": note}).encode() + b"\n"


def _read(file: Path) -> str:
    try:
        document = json.loads(file.read_bytes())
    except FileNotFoundError:
        return ""
    except ValueError:
        raise WrongFolder(f"{file} is damaged; if you are sure of the folder, remove it") from None
    store = document.get("store") if isinstance(document, dict) else None
    if not isinstance(store, str) or not store:
        raise WrongFolder(f"{file} is damaged; if you are sure of the folder, remove it")
    return store


def write_private(file: Path, data: bytes, folder: Path) -> None:
    """Durably and as a whole, mode 0600, owned by the owner of `folder`. OSError."""
    temporary = file.parent / f".tmp-{secrets.token_hex(8)}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            give(stream.fileno(), folder)
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.rename(file)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(file.parent)


def give(descriptor: int, folder: Path) -> None:
    """Root writes for the owner of the folder: a restore by root must not leave files that the server cannot read."""
    if os.geteuid() == 0:
        owner = folder.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
