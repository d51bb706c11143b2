"""Encryption of backups in the age format (age-encryption.org/v1), by `pyrage`, the bindings of rust's age.

The only module that knows the library, an extra of this distribution. Must not know what it encrypts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from openkes.errors import OperatorError

_HEAD = b"age-encryption.org/v1\n"
_PASSPHRASE_STANZA = b"-> scrypt "


@dataclass(frozen=True, slots=True)
class Passphrase:
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Recipients:
    """`age1…`: public keys; whoever has one of the private ones can open what is encrypted."""

    recipients: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Identities:
    """`AGE-SECRET-KEY-1…`: private keys."""

    identities: tuple[str, ...] = field(repr=False)


def identities(data: bytes, source: str) -> Identities:
    """From a file as `age-keygen` writes it: one a line, `#` begins a comment."""
    lines = [line.strip() for line in data.decode("utf-8", "replace").splitlines()]
    found = tuple(line for line in lines if line and not line.startswith("#"))
    if not found or not all(line.startswith("AGE-SECRET-KEY-1") for line in found):
        raise OperatorError(
            f"{source} is no file of age identities", "its lines begin with AGE-SECRET-KEY-1, as age-keygen makes them"
        )
    return Identities(found)


def encrypt(data: bytes, lock: Passphrase | Recipients) -> bytes:
    """OperatorError for a recipient that is none."""
    pyrage = _library()
    if isinstance(lock, Passphrase):
        return bytes(pyrage.passphrase.encrypt(data, lock.text))
    recipients = []
    for text in lock.recipients:
        try:
            recipients.append(pyrage.x25519.Recipient.from_str(text))
        except pyrage.RecipientError as error:
            hint = "it begins with age1, as `age-keygen -y FILE` prints it"
            if text.upper().startswith("AGE-SECRET-KEY-"):
                # Not into the message: it is a secret.
                raise OperatorError("the recipient is a private key", f"give the public one: {hint}") from None
            raise OperatorError(f"{text!r} is no age recipient: {error}", hint) from None
    return bytes(pyrage.encrypt(data, recipients))


def decrypt(data: bytes, key: Passphrase | Identities, source: str) -> bytes:
    """OperatorError for another kind of file, another key, or damage anywhere."""
    if not data.startswith(_HEAD):
        raise OperatorError(f"{source} is no backup: it does not begin as an age file", "name a file of `kes backup`")
    by_passphrase = data[len(_HEAD) :].startswith(_PASSPHRASE_STANZA)
    if by_passphrase != isinstance(key, Passphrase):
        if by_passphrase:
            raise OperatorError(f"{source} is encrypted with a passphrase", "give it with --passphrase-file FILE")
        raise OperatorError(f"{source} is encrypted to age recipients", "give one's private key with --identity FILE")
    pyrage = _library()
    try:
        if isinstance(key, Passphrase):
            opened: bytes = pyrage.passphrase.decrypt(data, key.text)
        else:
            opened = pyrage.decrypt(data, [pyrage.x25519.Identity.from_str(text) for text in key.identities])
    except pyrage.IdentityError:
        raise OperatorError(
            "an age identity in the file of --identity cannot be read", "make sure it is whole"
        ) from None
    except pyrage.DecryptError as error:
        what = "passphrase" if by_passphrase else "identity"
        raise OperatorError(
            f"cannot decrypt {source}: {error}", f"it is another {what}, or the file is damaged or cut off"
        ) from None
    return opened


def _library() -> Any:
    try:
        return import_module("pyrage")
    except ImportError:
        raise OperatorError(
            "backups need the Python package pyrage", "install it with the extra: pip install 'openkes[backup]'"
        ) from None
