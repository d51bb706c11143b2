"""Sealing of values at rest: AES-256-GCM under one 32-byte key, bound to a name and a purpose.

Owns the text form of a sealed value and the way from a passphrase to a key. Bytes only: randomness is an argument.
Must not know stores, files or entries.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt as _Scrypt

KEY_SIZE = 32
#: Random nonces of 96 bits: good for 2**32 values under one key (NIST SP 800-38D, 8.3), so for any key store.
NONCE_SIZE = 12
SALT_SIZE = 16
PREFIX = b"openkes-seal:v1:"
_FAMILY = b"openkes-seal:"
_TAG_SIZE = 16


class CannotUnseal(Exception):
    """The text says why: another version, damage, or another key, name or purpose."""


def is_sealed(value: bytes) -> bool:
    """Whether it is a sealed value of any version. No entry begins so: base64 has no `:`."""
    return value.lstrip().startswith(_FAMILY)


def seal(key: bytes, value: bytes, name: str, purpose: str, nonce: bytes) -> bytes:
    """Text: `PREFIX` and base64 of nonce, ciphertext, tag. `nonce`: 12 random bytes, never used twice with a key."""
    if len(nonce) != NONCE_SIZE:
        raise ValueError(f"{NONCE_SIZE} random bytes are needed, not {len(nonce)}")
    return PREFIX + b64encode(nonce + AESGCM(key).encrypt(nonce, value, _bound_to(name, purpose)))


def unseal(key: bytes, sealed: bytes, name: str, purpose: str) -> bytes:
    """The value; white space around the text is ignored. CannotUnseal for all that `seal` did not make so."""
    text = sealed.strip()
    if not text.startswith(PREFIX):
        raise CannotUnseal("it is sealed by a newer openkes" if is_sealed(text) else "it is not sealed")
    encoded = text.removeprefix(PREFIX)
    try:
        data = b64decode(encoded, validate=True)
    except binascii.Error:
        raise CannotUnseal("it is damaged: no base64 behind its head") from None
    if b64encode(data) != encoded:
        # Base64 has spare bits at the end: a flip there must not go unnoticed either.
        raise CannotUnseal("it is damaged: its last base64 character has been changed")
    if len(data) < NONCE_SIZE + _TAG_SIZE:
        raise CannotUnseal("it is cut off")
    try:
        return AESGCM(key).decrypt(data[:NONCE_SIZE], data[NONCE_SIZE:], _bound_to(name, purpose))
    except InvalidTag:
        raise CannotUnseal("it is damaged, sealed with another key, or was stored under another name") from None


def _bound_to(name: str, purpose: str) -> bytes:
    return b"\0".join((PREFIX, purpose.encode(), name.encode()))


@dataclass(frozen=True, slots=True)
class Scrypt:
    """How a passphrase becomes a key. The defaults take 128 MiB and about half a second, once per start (OWASP's
    recommendation for scrypt)."""

    salt: bytes
    log2_n: int = 17
    r: int = 8
    p: int = 1

    def key(self, passphrase: bytes) -> bytes:
        """32 bytes. ValueError where the parameters are none that `openkes` writes or could bear."""
        if not (10 <= self.log2_n <= 22 and 1 <= self.r <= 16 and 1 <= self.p <= 16 and len(self.salt) >= SALT_SIZE):
            raise ValueError("scrypt parameters out of range")
        kdf = _Scrypt(salt=self.salt, length=KEY_SIZE, n=2**self.log2_n, r=self.r, p=self.p)
        return kdf.derive(passphrase)
