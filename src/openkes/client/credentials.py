"""What a client shows in TLS: a pair of files or an API key.

Owns loading them into an SSL context and saying what is wrong with them. Must not know where they came from.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from openkes.client.failures import CredentialsError

if TYPE_CHECKING:
    from openkes.identity import KeyPair


def _no_password() -> str:
    raise CredentialsError("the private key is protected by a password and none was given")


@dataclass(frozen=True, slots=True)
class KeyFiles:
    """PEM files. `password` is called only when the key turns out to be encrypted."""

    key: Path
    certificate: Path
    password: Callable[[], str] = field(default=_no_password, repr=False)

    def load(self, context: ssl.SSLContext) -> None:
        """CredentialsError naming the file and its fault."""
        for what, path in (("private key", self.key), ("certificate", self.certificate)):
            _read(path, what)
        try:
            context.load_cert_chain(self.certificate, self.key, self.password)
        except ssl.SSLError as error:
            raise CredentialsError(self._fault(error)) from error

    def leaf(self) -> bytes:
        """The certificate's PEM. CredentialsError."""
        return _read(self.certificate, "certificate")

    def _fault(self, error: ssl.SSLError) -> str:
        from openkes.identity import CertificateError, load_certificate  # noqa: PLC0415

        if error.reason == "KEY_VALUES_MISMATCH":
            return f"the private key {self.key} does not belong to the certificate {self.certificate}"
        certificate = _read(self.certificate, "certificate")
        try:
            load_certificate(certificate)
        except CertificateError as cause:
            return f"the client certificate {self.certificate} cannot be used: {cause}"
        if b"-----BEGIN CERTIFICATE-----" not in certificate:
            return f"the client certificate {self.certificate} is in DER: it must be PEM"
        key = _read(self.key, "private key")
        if b"PRIVATE KEY-----" not in key:
            what = "a certificate" if b"CERTIFICATE-----" in key else "not a PEM private key"
            return f"the client key {self.key} cannot be used: it is {what if key.strip() else 'empty'}"
        if b"ENCRYPTED" in key:
            return f"the password does not open the private key {self.key}"
        return f"the client key {self.key} cannot be used: it is damaged or of an unknown type"


@dataclass(frozen=True, slots=True)
class APIKey:
    """An API key's text."""

    text: str = field(repr=False)

    def load(self, context: ssl.SSLContext) -> None:
        """CredentialsError when it is not an API key."""
        pair = self._pair()
        # OpenSSL's loader takes file names only; memory that no other process can open by name serves as one.
        file = os.memfd_create("client", os.MFD_CLOEXEC)
        try:
            with os.fdopen(file, "wb", closefd=False) as stream:
                stream.write(pair.certificate + pair.key)
            context.load_cert_chain(f"/proc/self/fd/{file}")
        finally:
            os.close(file)

    def leaf(self) -> bytes:
        """A certificate's PEM of the same identity. CredentialsError."""
        return self._pair().certificate

    def _pair(self) -> KeyPair:
        from openkes.identity import APIKeyError, key_pair_of_api_key  # noqa: PLC0415

        try:
            return key_pair_of_api_key(self.text)
        except APIKeyError as error:
            raise CredentialsError(str(error)) from error


Credentials = KeyFiles | APIKey


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CredentialsError(f"cannot read the client's {what} {path}: {error.strerror}") from error
