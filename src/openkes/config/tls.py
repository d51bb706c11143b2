"""The PEM files that `tls:` names: read, decrypted, checked against each other.

Every fault is one sentence with the next step. Must not know sockets or TLS libraries.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

from openkes.config.schema import TLS
from openkes.errors import OperatorError


@dataclass(frozen=True, slots=True)
class Material:
    """PEM bytes; `client_ca` as `openkes.front.TLSFiles` has it. `not_after` of the server's certificate."""

    chain: bytes
    key: bytes = field(repr=False)
    client_ca: bytes | None
    not_after: datetime

    def warning(self, now: datetime) -> str | None:
        """What an operator should know before clients refuse the certificate."""
        if self.not_after <= now:
            expired = f"{self.not_after:%Y-%m-%d %H:%M} UTC"
            return f"the server's certificate expired on {expired}; clients refuse it: renew it"
        days = (self.not_after - now).days
        if days < 7:
            return f"the server's certificate expires in {days} days; renew it and send SIGHUP"
        return None


def load(tls: TLS) -> Material:
    """OperatorError names the file, the cause and the next step."""
    chain = read(tls.cert, "tls.cert", "the server's certificate")
    certificate = _certificate(tls.cert, chain)
    key = _key(tls, read(tls.key, "tls.key", "the server's private key"))
    if _spki(key.public_key()) != _spki(certificate.public_key()):
        raise OperatorError(
            f"{tls.key} is not the key of certificate {tls.cert}",
            "name the key the certificate was made with",
        )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Material(chain, pem, _client_ca(tls), certificate.not_valid_after_utc)


def read(path: Path, setting: str, what: str) -> bytes:
    """The content of a file that must not be empty."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise OperatorError(
            f"cannot read {path} ({setting}): {error.strerror}", f"name {what}, readable by the server's user"
        ) from None
    if not data.strip():
        raise OperatorError(f"{path} ({setting}) is empty", f"put {what} there in PEM form")
    return data


def _certificate(path: Path, chain: bytes) -> x509.Certificate:
    try:
        certificates = x509.load_pem_x509_certificates(chain)
    except ValueError:
        hint = (
            "it holds a private key: did you swap tls.key and tls.cert?"
            if b"PRIVATE KEY" in chain
            else ("it must start with -----BEGIN CERTIFICATE-----")
        )
        raise OperatorError(f"{path} (tls.cert) is not a PEM certificate", hint) from None
    return certificates[0]


def _key(tls: TLS, data: bytes) -> PrivateKeyTypes:
    password = tls.password.encode() if tls.password else None
    try:
        return serialization.load_pem_private_key(data, password)
    except TypeError:
        if password is None:
            raise OperatorError(
                f"{tls.key} (tls.key) is encrypted", "set tls.password, for example to ${KES_TLS_PASSWORD}"
            ) from None
        return serialization.load_pem_private_key(data, None)
    except ValueError:
        if password is not None:
            raise OperatorError(
                f"{tls.key} (tls.key) cannot be decrypted with tls.password", "check the password"
            ) from None
        hint = "it must start with -----BEGIN PRIVATE KEY-----"
        if b"BEGIN CERTIFICATE" in data:
            hint = "it holds a certificate: did you swap tls.key and tls.cert?"
        raise OperatorError(f"{tls.key} (tls.key) is not a PEM private key", hint) from None


def _client_ca(tls: TLS) -> bytes | None:
    if not tls.verify_clients:
        return None
    if tls.client_ca is None:
        return b""
    data = read(tls.client_ca, "tls.ca", "the certificates that sign clients")
    try:
        x509.load_pem_x509_certificates(data)
    except ValueError:
        raise OperatorError(
            f"{tls.client_ca} (tls.ca) holds no PEM certificate",
            "it must start with -----BEGIN CERTIFICATE-----",
        ) from None
    return data


def _spki(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def now() -> datetime:
    return datetime.now(UTC)
