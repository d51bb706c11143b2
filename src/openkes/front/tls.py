"""Looks at TLS files before an engine gets them, so that both refuse the same files in the same words."""

from __future__ import annotations

import datetime
import logging

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from openkes.front.types import TLSFiles, TLSFilesError

_logger = logging.getLogger("openkes.front")
_SPKI = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def check(files: TLSFiles) -> None:
    """Raise TLSFilesError unless a server can run with these files. Warns of a certificate out of its dates."""
    leaf = _certificates(files.chain, "certificate")[0]
    key = _private_key(files.key)
    try:
        same = leaf.public_key().public_bytes(*_SPKI) == key.public_key().public_bytes(*_SPKI)
    except (ValueError, UnsupportedAlgorithm):
        raise TLSFilesError("the certificate has a public key of an unknown kind: use ECDSA P-256") from None
    if not same:
        raise TLSFilesError(
            "the certificate and the private key do not belong together: the first certificate of the file must be "
            "the one made for this key"
        )
    if files.client_ca:
        _certificates(files.client_ca, "client CA")
    now = datetime.datetime.now(datetime.UTC)
    if not leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc:
        _logger.warning(
            "the server's certificate is valid from %s to %s only: clients will refuse it",
            leaf.not_valid_before_utc.isoformat(),
            leaf.not_valid_after_utc.isoformat(),
        )


def _certificates(pem: bytes, what: str) -> list[x509.Certificate]:
    if not pem.strip():
        raise TLSFilesError(f"the {what} file is empty")
    if b"-----BEGIN CERTIFICATE-----" not in pem:
        held = "a private key" if b"PRIVATE KEY-----" in pem else "something else"
        raise TLSFilesError(f"the {what} file holds no PEM certificate but {held}")
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise TLSFilesError(f"the {what} file is damaged: its PEM text is not an X.509 certificate") from None


def _private_key(pem: bytes) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey:
    if not pem.strip():
        raise TLSFilesError("the private key file is empty")
    if b"PRIVATE KEY-----" not in pem:
        held = "a certificate" if b"-----BEGIN CERTIFICATE-----" in pem else "something else"
        raise TLSFilesError(f"the private key file holds no PEM private key but {held}")
    if b"ENCRYPTED" in pem:
        raise TLSFilesError("the private key is encrypted: give the password (tls.password) or decrypt the file")
    try:
        key = serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # Nothing of the cause: its text may quote what it read.
        raise TLSFilesError("the private key file is damaged: its PEM text is not a private key") from None
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in {"secp256r1", "secp384r1"}:
        return key
    if isinstance(key, ed25519.Ed25519PrivateKey) or (isinstance(key, rsa.RSAPrivateKey) and key.key_size >= 2048):
        return key
    raise TLSFilesError("the private key is of a kind that TLS clients refuse: use ECDSA P-256")
