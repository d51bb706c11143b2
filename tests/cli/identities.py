"""Client certificates that nobody should use, each with one fault."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from openkes.identity import new_identity


def make_bad_identities(folder: Path) -> None:
    """ca.key/.cert says CA:TRUE; expired.key/.cert ended two days ago; empty.key and empty.cert are empty."""
    _write(folder, "ca", *_ca())
    pair = new_identity("expired", expiry=timedelta(days=1), now=datetime.now(UTC) - timedelta(days=3))
    _write(folder, "expired", pair.key, pair.certificate)
    _write(folder, "empty", b"", b"")


def _ca() -> tuple[bytes, bytes]:
    """As `openssl req -x509` makes it by default."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "root")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem, certificate.public_bytes(serialization.Encoding.PEM)


def _write(folder: Path, name: str, key: bytes, certificate: bytes) -> None:
    file = folder / f"{name}.key"
    file.touch(mode=0o600)
    file.write_bytes(key)
    (folder / f"{name}.cert").write_bytes(certificate)
