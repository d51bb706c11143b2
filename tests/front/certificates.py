"""Certificates of every kind a client may come with, made on the spot."""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

PEM = serialization.Encoding.PEM
DER = serialization.Encoding.DER
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def spki(key: Key) -> bytes:
    return key.public_key().public_bytes(DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def private_pem(key: Key, password: bytes | None = None) -> bytes:
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, encryption)


@dataclass
class Client:
    """A client certificate in files, as `ssl` wants it."""

    chain: Path
    key: Path
    identity: str
    leaf: bytes


def certificate(
    key: Key, *, ca: bool = False, days: tuple[int, int] = (-1, 1), issuer: tuple[str, Key] | None = None
) -> x509.Certificate:
    """Signed by `issuer`, a name and its key; else by itself."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "client")])
    signer = issuer[1] if issuer else key
    issuer_name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer[0])]) if issuer else name
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    return builder.sign(signer, None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256())


def client(folder: Path, key: Key, *leaves: x509.Certificate | bytes) -> Client:
    """Write the files. `leaves`: the certificates to send, leaf first; bytes are DER."""
    sent = leaves or (certificate(key),)
    ders = [leaf if isinstance(leaf, bytes) else leaf.public_bytes(DER) for leaf in sent]
    chain = folder / "client.crt"
    chain.write_text("".join(_armour(der) for der in ders))
    private = folder / "client.key"
    private.write_bytes(private_pem(key))
    return Client(chain, private, hashlib.sha256(spki(key)).hexdigest(), ders[0])


def big_rsa(folder: Path, bits: int) -> Client:
    """RSA of many bits; of more primes than two, since two would take half a minute."""
    chain, private = folder / "client.crt", folder / "client.key"
    options = ["-pkeyopt", f"rsa_keygen_bits:{bits}", "-pkeyopt", f"rsa_keygen_primes:{bits // 2048 + 1}"]
    _openssl("genpkey", "-algorithm", "RSA", *options, "-out", str(private))
    _openssl("req", "-x509", "-new", "-key", str(private), "-subj", "/CN=client", "-out", str(chain))
    leaf = x509.load_pem_x509_certificate(chain.read_bytes())
    public = leaf.public_key().public_bytes(DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return Client(chain, private, hashlib.sha256(public).hexdigest(), leaf.public_bytes(DER))


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def _armour(der: bytes) -> str:
    import base64

    text = base64.encodebytes(der).decode()
    return f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n"


def version_1(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A certificate of X.509 version 1, which has no extensions: what `openssl x509 -req` used to make."""
    fields = list(_elements(_content(certificate(key).tbs_certificate_bytes)))
    tbs = _element(0x30, b"".join(field for field in fields if field[0] not in {0xA0, 0xA3}))
    signature = key.sign(tbs, ec.ECDSA(hashes.SHA256()))
    algorithm = fields[2]
    return _element(0x30, tbs + algorithm + _element(0x03, b"\0" + signature))


def _head(der: bytes) -> tuple[int, int]:
    """Lengths of tag and length, and of the content."""
    if der[1] < 0x80:
        return 2, der[1]
    count = der[1] & 0x7F
    return 2 + count, int.from_bytes(der[2 : 2 + count], "big")


def _content(der: bytes) -> bytes:
    head, length = _head(der)
    return der[head : head + length]


def _elements(der: bytes) -> list[bytes]:
    found = []
    while der:
        whole = sum(_head(der))
        found.append(der[:whole])
        der = der[whole:]
    return found


def _element(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(size)]) + size + content
