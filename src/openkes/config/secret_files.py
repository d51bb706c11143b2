"""Files that hold a secret: read whole, and only when nobody else may. Must not know what the secret is for."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from openkes.errors import OperatorError

_MAX_FILE = 64 * 1024  # bytes; a key, a passphrase or a list of identities is far shorter


def read_private(path: Path, source: str) -> bytes:
    """The content. `source` names the file and its setting in errors, which never show the content."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(_MAX_FILE)
    except OSError as error:
        raise OperatorError(
            f"cannot read {source}: {error.strerror}", "name a file that the user of this process may read"
        ) from None
    # A pipe, as `<(pass show backup)` makes it, is nobody else's whatever its mode says.
    if stat.S_ISREG(mode) and mode & (stat.S_IROTH | stat.S_IWOTH):
        raise OperatorError(
            f"{source} is open to every user of this machine",
            f"chmod o= {path}, and make a new secret if somebody may have read it",
        )
    return data


def first_line(data: bytes, source: str) -> bytes:
    """A passphrase, without the end of its line."""
    line = data.partition(b"\n")[0].removesuffix(b"\r")
    if not line:
        raise OperatorError(f"the first line of {source} is empty", "write the passphrase there")
    return line
