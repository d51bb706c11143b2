"""`keystore.fs.seal`: where the sealing key comes from, and reading it.

A key is 32 random bytes, raw, in hex or in base64. Must not know how values are sealed.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from pathlib import Path

from openkes.config import values
from openkes.config.node import Node
from openkes.config.schema import Seal, SealSource
from openkes.config.secret import credential
from openkes.config.secret_files import first_line, read_private
from openkes.crypto.sealing import KEY_SIZE
from openkes.errors import OperatorError
from openkes.keystore.seal_file import Passphrase, SealKey, Secret

_MAKE = "make one with: (umask 077; openssl rand -hex 32 > FILE)"


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
        raise value.error(f"'{value.path}' is a path", "write the name of the credential, as in LoadCredential=NAME:…")
    return Seal(SealSource(name), str(where))


def secret(seal: Seal) -> Secret:
    """The secret itself, from the files as they are now. OperatorError never shows it."""
    match seal.source:
        case SealSource.FILE:
            source = f"{seal.where} (keystore.fs.seal.key.file)"
            return SealKey(_key(read_private(Path(seal.where), source), source), source)
        case SealSource.CREDENTIAL:
            source = f"the credential {seal.where} (keystore.fs.seal.key.credential)"
            return SealKey(_key(credential(seal.where, source), source), source)
        case SealSource.PASSPHRASE_FILE:
            source = f"{seal.where} (keystore.fs.seal.key.passphrase_file)"
            return Passphrase(first_line(read_private(Path(seal.where), source), source), source)


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
