"""Reading certificates: whose they are, and whether they are a CA's. Must not verify chains or times."""

from __future__ import annotations

import hashlib
import re

from cryptography import x509
from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from openkes.identity.failures import CertificateError

_PEM_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"

_BASIC_CONSTRAINTS = b"\x06\x03\x55\x1d\x13"
#: Basic constraints with CA:FALSE spelled out. DER leaves a default out, and the library insists; some CAs do not, and
#: upstream reads it. As CA:TRUE it can be read, with the same length.
_SPELLED_OUT = re.compile(rb"(\x06\x03\x55\x1d\x13(?:\x01\x01\xff)?\x04\x05\x30\x03\x01\x01)\x00")


def load_certificate(data: bytes) -> x509.Certificate:
    """The certificate in DER, or the first one in PEM. CertificateError."""
    pem = _PEM_CERTIFICATE in data
    if not pem and b"PRIVATE KEY-----" in data:
        raise CertificateError("this is a private key, not a certificate")
    try:
        return x509.load_pem_x509_certificate(data) if pem else x509.load_der_x509_certificate(data)
    except (ValueError, x509.InvalidVersion) as error:
        what = "neither a PEM nor a DER certificate" if data.strip() else "an empty file"
        raise CertificateError(f"this is {what}") from error


def _is_spelled_out(tbs: bytes) -> bool:
    # Where the object identifier stands once, the place that matches is the extension, and not a text made to look so.
    return tbs.count(_BASIC_CONSTRAINTS) == 1 and _SPELLED_OUT.search(tbs) is not None


def identity_of_public_key(key: PublicKeyTypes | bytes) -> str:
    """Hex SHA-256 of the key's DER SubjectPublicKeyInfo; `bytes` are taken to be that DER."""
    if not isinstance(key, bytes):
        key = key.public_bytes(ser.Encoding.DER, ser.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(key).hexdigest()


def identity_of_certificate(data: bytes) -> str:
    """The identity behind a certificate, DER or PEM (the first one counts). CertificateError."""
    return identity_of_public_key(_subject_public_key_info(load_certificate(data)))


def is_ca(data: bytes) -> bool:
    """True when the certificate (DER or PEM) says CA:TRUE. CertificateError for malformed extensions."""
    certificate = load_certificate(data)
    spelled_out = _is_spelled_out(certificate.tbs_certificate_bytes)
    try:
        constraints = extensions(certificate).get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return False
    return constraints.ca and not spelled_out


def extensions(certificate: x509.Certificate) -> x509.Extensions:
    """All of them; a CA:FALSE that is spelled out reads as CA:TRUE here (`is_ca` knows). CertificateError."""
    tbs = certificate.tbs_certificate_bytes
    try:
        if not _is_spelled_out(tbs):
            return certificate.extensions
        # Nothing verifies the signature of this copy: it is for reading only.
        true = _SPELLED_OUT.sub(lambda match: match[1] + b"\xff", tbs)
        copy = certificate.public_bytes(ser.Encoding.DER).replace(tbs, true, 1)
        return x509.load_der_x509_certificate(copy).extensions
    except (ValueError, x509.DuplicateExtension) as error:
        raise CertificateError("the certificate's extensions cannot be read") from error


def _subject_public_key_info(certificate: x509.Certificate) -> bytes:
    # The bytes as they stand in the certificate, as every other implementation hashes them: encoding the
    # parsed key again would give another hash for unusual encodings, and fails for algorithms unknown here.
    # The library has checked the DER before, so the walk needs no checks of its own.
    der = certificate.tbs_certificate_bytes
    at, _ = _element(der, 0)
    at = _element(der, at)[1] if der[at] == 0xA0 else at  # [0] version, absent in v1
    for _field in ("serial", "signature", "issuer", "validity", "subject"):
        at = _element(der, at)[1]
    return der[at : _element(der, at)[1]]


def _element(der: bytes, at: int) -> tuple[int, int]:
    """Where the content of the DER element at `at` begins and ends (all tags met here are one byte)."""
    length, begin = der[at + 1], at + 2
    if length & 0x80:
        count = length & 0x7F
        length, begin = int.from_bytes(der[begin : begin + count]), begin + count
    return begin, begin + length
