"""New key pairs with the self-signed certificate that MinIO's page asks for. Must not touch files."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from openkes.identity.certificate import identity_of_public_key
from openkes.identity.failures import IdentityError

DEFAULT_EXPIRY = timedelta(hours=720)  # 30 days, as on MinIO's page
BACKDATE = timedelta(minutes=1)  # clocks of two hosts are never quite the same
NO_EXPIRY = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)  # RFC 5280 4.1.2.5: has no expiry


class KeyType(StrEnum):
    """What `new_identity` can make."""

    EC_P256 = "ecdsa-p256"
    ED25519 = "ed25519"


PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A private key with its certificate, both PEM. `repr` shows the identity only."""

    key: bytes = field(repr=False)
    certificate: bytes = field(repr=False)
    identity: str


def new_identity(
    subject: str = "",
    *,
    key_type: KeyType = KeyType.EC_P256,
    ips: Sequence[str] = (),
    dns: Sequence[str] = (),
    expiry: timedelta = DEFAULT_EXPIRY,
    password: bytes | None = None,
    now: datetime | None = None,
) -> KeyPair:
    """A new private key (PKCS#8, encrypted with `password` when given) and its certificate. IdentityError."""
    key: PrivateKey
    if key_type is KeyType.EC_P256:
        key = ec.generate_private_key(ec.SECP256R1())
    else:
        key = ed25519.Ed25519PrivateKey.generate()
    return self_signed(key, subject, ips=ips, dns=dns, expiry=expiry, password=password, now=now)


def self_signed(
    key: PrivateKey,
    subject: str = "",
    *,
    ips: Sequence[str] = (),
    dns: Sequence[str] = (),
    expiry: timedelta = DEFAULT_EXPIRY,
    password: bytes | None = None,
    now: datetime | None = None,
    serial: int | None = None,
) -> KeyPair:
    """`key` with a self-signed certificate: CA:FALSE, digitalSignature, clientAuth and serverAuth, SANs.

    `serial` None: 159 random bits. `now` None: the clock. IdentityError for a bad subject, SAN or expiry.
    """
    if password is not None and not password:
        raise IdentityError("the password is empty")
    now = (now or datetime.now(UTC)).replace(microsecond=0)
    name, public = _name(subject), key.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number() if serial is None else serial)
        .not_valid_before(now - BACKDATE)
        .not_valid_after(_not_after(now, expiry))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_DIGITAL_SIGNATURE, critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]),
            critical=False,
        )
    )
    sans = [_ip_name(ip) for ip in ips] + [_dns_name(host) for host in dns]
    if sans:
        # RFC 5280 4.2.1.6: an empty subject makes the alternative names critical
        builder = builder.add_extension(x509.SubjectAlternativeName(sans), critical=not subject)
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    certificate = builder.sign(key, algorithm)
    protection = ser.BestAvailableEncryption(password) if password else ser.NoEncryption()
    return KeyPair(
        key=key.private_bytes(ser.Encoding.PEM, ser.PrivateFormat.PKCS8, protection),
        certificate=certificate.public_bytes(ser.Encoding.PEM),
        identity=identity_of_public_key(public),
    )


_DIGITAL_SIGNATURE = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


def _name(subject: str) -> x509.Name:
    if not subject:
        return x509.Name([])
    try:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    except ValueError as error:
        raise IdentityError(f"the subject {subject!r} cannot be a common name: 1 to 64 characters of UTF-8") from error


def _not_after(now: datetime, expiry: timedelta) -> datetime:
    if expiry < timedelta(seconds=1):
        raise IdentityError("the expiry must be at least one second")
    return NO_EXPIRY if expiry > NO_EXPIRY - now else now + expiry


def _ip_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError as error:
        raise IdentityError(f"{text!r} is not an IP address") from error


def _dns_name(text: str) -> x509.GeneralName:
    try:
        name = text if text.isascii() else text.encode("idna").decode("ascii")
    except ValueError:
        name = ""
    if not name or any(c.isspace() or not c.isprintable() for c in name):
        raise IdentityError(f"{text!r} is not a host name")
    return x509.DNSName(name)
