"""New files that appear whole or not at all, and never over another by accident."""

from __future__ import annotations

import errno
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from openkes.errors import OperatorError

PRIVATE = 0o600
PUBLIC = 0o644


def write_new(files: list[tuple[Path, bytes, int]], *, replace: bool) -> None:
    """Write (path, content, mode) each atomically and durably; all or, without `replace`, none. OperatorError."""
    if not replace:
        for path, _, _ in files:
            if os.path.lexists(path):
                raise _exists(path)
    written: list[Path] = []
    try:
        for path, content, mode in files:
            _write(path, content, mode, replace=replace)
            written.append(path)
    except OperatorError:
        if not replace:
            for path in written:
                path.unlink(missing_ok=True)
        raise


def _write(path: Path, content: bytes, mode: int, *, replace: bool) -> None:
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # 0600 from the start
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            if replace:
                Path(name).replace(path)
            else:
                _link(Path(name), path, content, mode)
        finally:
            with suppress(FileNotFoundError):
                Path(name).unlink()
        _sync_folder(path.parent)
    except FileExistsError as error:
        raise _exists(path) from error
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            hint = "make the folder first, or choose another"
            raise OperatorError(f"cannot write into the folder {path.parent}: {error.strerror}", hint) from error
        raise OperatorError(f"cannot write {path}: {error.strerror}") from error


def _link(temporary: Path, path: Path, content: bytes, mode: int) -> None:
    # link(2) fails when the name is taken: no moment between looking and writing
    try:
        path.hardlink_to(temporary)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
        # file systems without hard links (FAT, some network mounts)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(descriptor, mode)  # whatever the umask
                file.write(content)
                file.flush()
                os.fsync(descriptor)
        except OSError:
            path.unlink(missing_ok=True)
            raise


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):  # some file systems cannot sync a folder; the content is safe already
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _exists(path: Path) -> OperatorError:
    return OperatorError(
        f"{path} exists already and is not overwritten",
        "choose another name, or pass -f to replace it (whoever uses the old key loses access)",
    )
