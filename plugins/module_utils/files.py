# Copyright: openkes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files on a managed host: whole or not at all, and never readable by others for a moment.

Owns atomic replacement and the comparison of owner, group and mode. Knows nothing of what the files hold.
Standard library only: this runs on hosts where nothing has been installed.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
import tempfile
from typing import NamedTuple


class UnknownAccount(Exception):
    """The owner or group does not exist on this host; the text names it."""


class Ownership(NamedTuple):
    """Numeric owner and group (-1: leave as it is) and the permission bits of a file."""

    uid: int
    gid: int
    mode: int


def ownership(owner: str | None, group: str | None, mode: int) -> Ownership:
    """Resolve names to numbers; None or "" means "leave as it is". Raises UnknownAccount."""
    uid, gid = -1, -1
    if owner:
        try:
            uid = pwd.getpwnam(owner).pw_uid
        except KeyError:
            raise UnknownAccount("the user %s does not exist on this host" % owner) from None
    if group:
        try:
            gid = grp.getgrnam(group).gr_gid
        except KeyError:
            raise UnknownAccount("the group %s does not exist on this host" % group) from None
    return Ownership(uid, gid, mode)


def read(path: str) -> bytes | None:
    """The file's bytes, None when there is no such file."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None


def write(path: str, data: bytes, own: Ownership) -> None:
    """Replace `path` by `data` in one step: 0600 while it is written, on disk before it has its name."""
    folder = os.path.dirname(os.path.abspath(path))
    handle, temporary = tempfile.mkstemp(prefix=".", suffix=".new", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            if own.uid != -1 or own.gid != -1:
                os.fchown(file.fileno(), own.uid, own.gid)
            os.fchmod(file.fileno(), own.mode)
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
    sync_folder(folder)


def sync_folder(folder: str) -> None:
    """A rename survives a power cut only once its folder is on disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def keep(path: str, fallback: Ownership) -> Ownership:
    """Ownership of the file as it is, or `fallback` when it does not exist yet."""
    try:
        found = os.stat(path)
    except OSError:
        return fallback
    return Ownership(found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode))


def differs(path: str, own: Ownership) -> bool:
    """True when the existing file's owner, group or mode is not as wanted. A missing file does not differ."""
    try:
        found = os.stat(path)
    except OSError:
        return False
    return (
        (own.uid not in (-1, found.st_uid))
        or (own.gid not in (-1, found.st_gid))
        or stat.S_IMODE(found.st_mode) != own.mode
    )


def settle(path: str, own: Ownership) -> None:
    """Give the existing file its owner, group and mode; the mode first narrows, so nobody gains in between."""
    os.chmod(path, stat.S_IMODE(os.stat(path).st_mode) & own.mode)
    if own.uid != -1 or own.gid != -1:
        os.chown(path, own.uid, own.gid)
    os.chmod(path, own.mode)


def make_folder(path: str, own: Ownership) -> bool:
    """Create the folder and its parents (0755) when missing; True when it was made."""
    if os.path.isdir(path):
        return False
    parent = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(parent):
        make_folder(parent, Ownership(-1, -1, 0o755))
    os.mkdir(path, 0o700)
    settle_new = Ownership(own.uid, own.gid, own.mode)
    if own.uid != -1 or own.gid != -1:
        os.chown(path, settle_new.uid, settle_new.gid)
    os.chmod(path, settle_new.mode)
    return True
