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

from openkes.keystore.durable import sync_folder, written

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
        _write(folder / MARKER, _document(found), folder)
    if not _read(witness_of(folder)):
        try:
            _write(witness_of(folder), _document(found), folder)
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


def _write(file: Path, data: bytes, folder: Path) -> None:
    """Durably and as a whole, for the owner of `folder`. OSError."""
    with written(file.parent, data, folder) as temporary:
        temporary.rename(file)
    sync_folder(file.parent)
