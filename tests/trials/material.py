"""Certificates for the trial, good ones and ones that no library would make. Knows X.509, and no server."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from tests.sdk.programs import cache
from tests.trials import der

DER, PEM = serialization.Encoding.DER, serialization.Encoding.PEM
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
NAME = x509.NameOID.COMMON_NAME
BASIC_CONSTRAINTS = bytes.fromhex("0603551d13")  # the OID's DER


@dataclass(frozen=True, slots=True)
class Issuer:
    """A CA: its name, key and certificate in DER."""

    name: x509.Name
    key: Key
    certificate: bytes


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NAME, text)] if text else [])


def spki(key: Key) -> bytes:
    return key.public_key().public_bytes(DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def private_pem(key: Key) -> str:
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


def issue(
    key: Key,
    issuer: Issuer | None,
    *extensions: tuple[x509.ExtensionType, bool],
    ca: bool | None = False,
    path_length: int | None = None,
    days: tuple[int, int] = (-1, 30),
    subject: str = "client",
) -> bytes:
    """A certificate for `key` in DER, by itself without an issuer. `ca` None: no basic constraints at all."""
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(issuer.name if issuer else name(subject))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca, path_length), True)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    signer = issuer.key if issuer else key
    return builder.sign(
        signer, None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    ).public_bytes(DER)


def authority(text: str, issuer: Issuer | None = None, **options: object) -> Issuer:
    """A CA, the root of its own or below `issuer`; `options` as of `issue`."""
    key = ec.generate_private_key(ec.SECP256R1())
    extensions = options.pop("extensions", ())
    made = issue(key, issuer, *extensions, **{"ca": True, "subject": text, **options})  # type: ignore[misc, arg-type]
    return Issuer(name(text), key, made)


def resigned(certificate: bytes, fields: list[bytes], signer: ec.EllipticCurvePrivateKey) -> bytes:
    """The certificate with other fields in its signed part, truly signed (ECDSA with SHA-256)."""
    begin, end = der.head(certificate)
    algorithm = der.children(certificate[begin:end])[1]
    tbs = der.element(0x30, b"".join(fields))
    signature = signer.sign(tbs, ec.ECDSA(hashes.SHA256()))
    return der.element(0x30, tbs + algorithm + der.element(0x03, b"\0" + signature))


def extension(oid: bytes, value: bytes, critical: bool | bytes = False) -> bytes:
    """An extension; `oid` is its DER. `critical` as bytes is the content of the BOOLEAN."""
    flag = b"\xff" if critical is True else critical or b""
    return der.element(0x30, oid + (der.element(0x01, flag) if flag else b"") + der.element(0x04, value))


def with_extensions(certificate: bytes, extensions: list[bytes], signer: ec.EllipticCurvePrivateKey) -> bytes:
    """The certificate with just these extensions."""
    fields = [field for field in der.fields_of(certificate) if field[0] != 0xA3]
    fields.append(der.element(0xA3, der.element(0x30, b"".join(extensions))))
    return resigned(certificate, fields, signer)


def says_ca(certificate: bytes) -> bool:
    """True when any basic constraints in it hold a BOOLEAN that is not zero. IndexError for what is no DER."""
    for field in der.fields_of(certificate):
        if field[0] != 0xA3:
            continue
        for one in _inside(_inside(field)[0]):
            oid, *_, value = _inside(one)
            if oid != BASIC_CONSTRAINTS:
                continue
            for constraint in _inside(value):
                if any(part[0] == 0x01 and any(part[2:]) for part in _inside(constraint)):
                    return True
    return False


def _inside(element: bytes) -> list[bytes]:
    begin, end = der.head(element)
    return der.children(element[begin:end])


def rsa_spki(bits: int, exponent: int = 65537) -> bytes:
    """A public key of that size that nobody has the private half of."""
    modulus = int.from_bytes(os.urandom(bits // 8)) | 1 << bits - 1 | 1
    algorithm = bytes.fromhex("300d06092a864886f70d0101010500")
    numbers = b"".join(der.element(0x02, n.to_bytes(n.bit_length() // 8 + 1)) for n in (modulus, exponent))
    return der.element(0x30, algorithm + der.element(0x03, b"\0" + der.element(0x30, numbers)))


def big_rsa(bits: int) -> tuple[str, bytes]:
    """PKCS#8 PEM and a self-signed certificate in DER, once made and kept in the cache: 16,384 bits take minutes."""
    folder = cache() / "trials"
    folder.mkdir(parents=True, exist_ok=True)
    key, certificate = folder / f"rsa-{bits}.key", folder / f"rsa-{bits}.crt"
    if not certificate.exists():
        _openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{bits}", "-out", str(key))
        subject = ["-subj", "/CN=big", "-days", "3650", "-addext", "basicConstraints=critical,CA:FALSE"]
        part = Path(f"{certificate}.{os.getpid()}")
        _openssl("req", "-x509", "-new", "-key", str(key), *subject, "-outform", "DER", "-out", str(part))
        part.rename(certificate)
    return key.read_text(), certificate.read_bytes()


def _openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
