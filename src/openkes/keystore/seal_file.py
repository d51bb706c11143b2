"""The file `.seal` of a sealed folder: how the key is derived, and whether a key is the right one.

Owns that a wrong key is one error at the start and never a second seal beside the first. The file holds no secret:
for a passphrase the salt and the cost, and for every key an empty value sealed with it.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec

from openkes.crypto.sealing import NONCE_SIZE, SALT_SIZE, CannotUnseal, Scrypt, is_sealed, seal, unseal
from openkes.errors import OperatorError
from openkes.keystore import KeyStore
from openkes.keystore.durable import sync_folder, written
from openkes.keystore.sealed import PURPOSE

NAME = ".seal"
_CHECK = "check"
_CONVERT = "to convert it, copy it into a new, sealed folder with 'kes migrate'"


@dataclass(frozen=True, slots=True)
class SealKey:
    """A sealing key of 32 bytes; `source` says where it came from, for messages."""

    key: bytes = field(repr=False)
    source: str


@dataclass(frozen=True, slots=True)
class Passphrase:
    passphrase: bytes = field(repr=False)
    source: str


Secret = SealKey | Passphrase


class _KDF(msgspec.Struct, forbid_unknown_fields=True):
    name: Literal["scrypt"]
    salt: bytes
    log2_n: int
    r: int
    p: int

    def parameters(self) -> Scrypt:
        return Scrypt(self.salt, self.log2_n, self.r, self.p)


class _Seal(msgspec.Struct, forbid_unknown_fields=True):
    version: Literal[1]
    kdf: _KDF | None
    check: str


def is_sealed_folder(folder: Path) -> bool:
    return (folder / NAME).exists()


def unlock(folder: Path, store: KeyStore, secret: Secret, initialise: bool = True) -> bytes:
    """The key of the sealed `folder`, whose values `store` gives as they are. Writes `.seal` for an empty one, unless
    `initialise` is False: only look. OperatorError, OSError, Unreachable."""
    file = folder / NAME
    try:
        text = file.read_bytes()
    except FileNotFoundError:
        key, content = _first_seal(file, store, secret)
        if not initialise or _write(file, content):
            return key
        text = file.read_bytes()  # another process was faster
    return _open(file, text, secret)


def _open(file: Path, text: bytes, secret: Secret) -> bytes:
    try:
        found = msgspec.json.decode(text, type=_Seal)
        key = _derived(file, found.kdf, secret)
    except (msgspec.DecodeError, ValueError):
        raise OperatorError(
            f"{file} is damaged, or written by a newer openkes", "restore it from a copy of the folder, or the keys "
            "from a backup into a new folder ('kes restore')",
        ) from None  # fmt: skip
    try:
        unseal(key, found.check.encode(), "", _CHECK)
    except CannotUnseal:
        raise OperatorError(
            f"{secret.source} does not open the sealed key store {file.parent}",
            "give the key or passphrase that the folder was sealed with (keystore.fs.seal)",
        ) from None
    return key


def _derived(file: Path, kdf: _KDF | None, secret: Secret) -> bytes:
    match secret, kdf:
        case SealKey(), None:
            return secret.key
        case Passphrase(), _KDF():
            return kdf.parameters().key(secret.passphrase)
        case SealKey(), _:
            hint = "keystore.fs.seal.key.passphrase_file names it"
            raise OperatorError(f"{file.parent} was sealed with a passphrase, not with a key", hint)
        case _:
            hint = "keystore.fs.seal.key.file or .credential names it"
            raise OperatorError(f"{file.parent} was sealed with a key, not with a passphrase", hint)


def _first_seal(file: Path, store: KeyStore, secret: Secret) -> tuple[bytes, bytes]:
    """Key and content of the file for a folder that has none; only where that loses nothing."""
    names = store.list("", 1).names
    value = store.get(names[0]) if names else None
    if value is not None and not is_sealed(value):
        raise OperatorError(f"{file.parent} holds plain entries, and keystore.fs.seal is set", _CONVERT)
    kdf = None
    if isinstance(secret, SealKey):
        key = secret.key
        if value is not None:
            _check_opens(file, key, names[0], value, secret.source)
    else:
        if value is not None:
            raise OperatorError(
                f"{file.parent} holds sealed entries and its file {NAME} is gone: without its salt no passphrase "
                "opens them",
                "copy the file from where the folder came from (it starts with a dot), or restore a backup into a "
                "new folder ('kes restore')",
            )
        parameters = Scrypt(secrets.token_bytes(SALT_SIZE))
        kdf = _KDF("scrypt", parameters.salt, parameters.log2_n, parameters.r, parameters.p)
        key = parameters.key(secret.passphrase)
    check = seal(key, b"", "", _CHECK, secrets.token_bytes(NONCE_SIZE)).decode()
    return key, msgspec.json.format(msgspec.json.encode(_Seal(1, kdf, check)), indent=2) + b"\n"


def _check_opens(file: Path, key: bytes, name: str, value: bytes, source: str) -> None:
    try:
        unseal(key, value, name, PURPOSE)
    except CannotUnseal as error:
        raise OperatorError(
            f"{file.parent} holds sealed entries without its file {NAME}, and {source} does not open {name}: {error}",
            "give the key that the folder was sealed with, or restore a backup into a new folder ('kes restore')",
        ) from None


def _write(file: Path, content: bytes) -> bool:
    """Whole, durable, mode 0600, of the folder's owner; False when there is one already."""
    try:
        with written(file.parent, content, file.parent) as temporary:
            os.link(temporary, file)  # and not a rename: a second seal must never replace the first
    except FileExistsError:
        return False
    sync_folder(file.parent)
    return True
