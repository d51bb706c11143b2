"""`keystore.fs.seal`: where the sealing key comes from, and reading it.

A key is 32 random bytes, raw, in hex or in base64. Must not know how values are sealed.
"""

from __future__ import annotations

import binascii
import os
import stat
from base64 import b64decode
from pathlib import Path

from openkes.config import values
from openkes.config.node import Node
from openkes.config.schema import Seal, SealSource
from openkes.crypto.sealing import KEY_SIZE
from openkes.errors import OperatorError
from openkes.keystore.seal_file import Passphrase, SealKey, Secret

_MAKE = "make one with: (umask 077; openssl rand -hex 32 > FILE)"
_MAX_FILE = 64 * 1024  # bytes; a passphrase or a key is far shorter


def settings(node: Node) -> Seal:
    """`{key: {file: PATH}}`, `{key: {credential: NAME}}` or `{key: {passphrase_file: PATH}}`."""
    keys = node.known("key")
    if "key" not in keys:
        raise node.error(f"'{node.path}.key' is missing", "write: key: {file: PATH}")
    sources = keys["key"].known(*(source.value for source in SealSource))
    if len(sources) != 1:
        raise keys["key"].error(
            f"'{node.path}.key' names {len(sources)} sources", "name exactly one: file, credential or passphrase_file"
        )
    name, value = next(iter(sources.items()))
    where = values.path(value)
    if name == SealSource.CREDENTIAL.value and len(where.parts) != 1:
        raise value.error(
            f"'{value.path}' is a path", "write the name of the credential, as in LoadCredential=NAME:…"
        )
    return Seal(SealSource(name), str(where))


def secret(seal: Seal) -> Secret:
    """The secret itself, from the files as they are now. OperatorError never shows it."""
    match seal.source:
        case SealSource.FILE:
            source = f"{seal.where} (keystore.fs.seal.key.file)"
            return SealKey(_key(_private(Path(seal.where), source), source), source)
        case SealSource.CREDENTIAL:
            source = f"the credential {seal.where} (keystore.fs.seal.key.credential)"
            return SealKey(_key(_credential(seal.where, source), source), source)
        case SealSource.PASSPHRASE_FILE:
            source = f"{seal.where} (keystore.fs.seal.key.passphrase_file)"
            return Passphrase(first_line(_private(Path(seal.where), source), source), source)


def first_line(data: bytes, source: str) -> bytes:
    """A passphrase, without the end of its line."""
    line = data.partition(b"\n")[0].removesuffix(b"\r")
    if not line:
        raise OperatorError(f"the first line of {source} is empty", "write the passphrase there")
    return line


def _credential(name: str, source: str) -> bytes:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        raise OperatorError(
            f"cannot read {source}: CREDENTIALS_DIRECTORY is not set",
            f"systemd sets it for a unit with LoadCredential={name}:FILE or LoadCredentialEncrypted=; by hand, "
            "name the key as keystore.fs.seal.key.file",
        )
    try:
        # systemd vouches for its mode; it is in memory and the unit's alone.
        return (Path(folder) / name).read_bytes()
    except OSError as error:
        raise OperatorError(
            f"cannot read {source}: {error.strerror}", f"add LoadCredential={name}:FILE to the unit"
        ) from None


def _private(path: Path, source: str) -> bytes:
    """The content of a file that nobody else may read or write."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(_MAX_FILE) if stat.S_ISREG(mode) else b""
    except OSError as error:
        raise OperatorError(
            f"cannot read {source}: {error.strerror}", "name a file that the server's user may read"
        ) from None
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        raise OperatorError(f"{source} is open to every user of this machine", f"chmod o= {path}, and make a new key "
                            "if somebody may have read it")  # fmt: skip
    return data


def _key(data: bytes, source: str) -> bytes:
    text = data.strip()
    if len(data) == KEY_SIZE and not (data.isascii() and data.decode().isprintable()):
        return data
    try:
        key = bytes.fromhex(text.decode()) if len(text) == 2 * KEY_SIZE else b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != KEY_SIZE:
        raise OperatorError(
            f"{source} holds no sealing key ({KEY_SIZE} random bytes, raw, hex or base64), but {len(data)} bytes",
            f"{_MAKE}; for a passphrase use passphrase_file",
        )
    return key
