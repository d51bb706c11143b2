"""Identities, API keys and self-signed certificates, against OpenSSL and the written contract."""

from __future__ import annotations

import base64
import hashlib
import ssl
import subprocess
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from openkes import identity

BASIC_CONSTRAINTS = x509.ExtensionOID.BASIC_CONSTRAINTS
NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


def openssl_identity(certificate: bytes) -> str:
    """The identity as a shell would compute it: a second opinion."""
    spki = subprocess.run(
        ["openssl", "x509", "-noout", "-pubkey"], input=certificate, stdout=subprocess.PIPE, check=True
    )
    der = subprocess.run(
        ["openssl", "pkey", "-pubin", "-outform", "DER"],
        input=spki.stdout,
        stdout=subprocess.PIPE,
        check=True,
    )
    return hashlib.sha256(der.stdout).hexdigest()


def signed(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, *extensions: x509.ExtensionType) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x" * 64)])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW, NOW + timedelta(days=1))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=True)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


@pytest.mark.parametrize("key_type", list(identity.KeyType))
def test_identity_is_what_openssl_computes(key_type: identity.KeyType) -> None:
    pair = identity.new_identity("root", key_type=key_type, now=NOW)
    assert pair.identity == openssl_identity(pair.certificate)
    assert identity.identity_of_certificate(pair.certificate) == pair.identity
    assert identity.is_identity(pair.identity)


def test_der_and_pem_give_the_same_identity() -> None:
    pair = identity.new_identity("root", now=NOW)
    assert identity.identity_of_certificate(ssl.PEM_cert_to_DER_cert(pair.certificate.decode())) == pair.identity


@pytest.mark.parametrize("bits", [2048, 4096])
def test_identity_of_rsa_with_long_der_lengths(bits: int) -> None:
    key = rsa.generate_private_key(65537, bits)
    assert identity.identity_of_certificate(signed(key)) == identity.identity_of_public_key(key.public_key())


def test_identity_hashes_the_key_as_it_stands_in_the_certificate() -> None:
    # A compressed EC point is the same key in another encoding; every implementation hashes the encoding.
    key = ec.generate_private_key(ec.SECP256R1())
    der = signed(key)
    point = key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    spki = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert spki in der
    short = key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)
    assert len(short) == len(point) - 32
    compressed = _seq(spki[2 : spki.index(b"\x03\x42")] + b"\x03\x22\x00" + short)
    tbs = x509.load_der_x509_certificate(der).tbs_certificate_bytes
    body = _content(tbs).replace(spki, compressed)
    changed = _seq(_seq(body) + _content(der)[len(tbs) :])
    assert identity.identity_of_certificate(changed) == hashlib.sha256(compressed).hexdigest()


def _content(der: bytes) -> bytes:
    return der[2:] if der[1] < 0x80 else der[2 + (der[1] & 0x7F) :]


def _seq(content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes([0x30, size]) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes([0x30, 0x80 | len(octets)]) + octets + content


def test_first_certificate_of_a_chain_counts() -> None:
    first, second = (identity.new_identity(name, now=NOW) for name in ("a", "b"))
    assert identity.identity_of_certificate(first.certificate + second.certificate) == first.identity


def test_renewal_on_the_same_key_keeps_the_identity() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    old = identity.self_signed(key, "root", now=NOW)
    new = identity.self_signed(key, "other", now=NOW + timedelta(days=29))
    assert old.certificate != new.certificate
    assert old.identity == new.identity


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "an empty file"),
        (b"hello", "neither a PEM nor a DER certificate"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "neither a PEM nor a DER"),
        (identity.new_identity(now=NOW).key, "a private key, not a certificate"),
    ],
)
def test_what_is_no_certificate_is_refused_with_a_reason(data: bytes, says: str) -> None:
    with pytest.raises(identity.CertificateError, match=says):
        identity.identity_of_certificate(data)


@given(st.integers(0, 600))
def test_no_prefix_of_a_certificate_has_an_identity(size: int) -> None:
    der = ssl.PEM_cert_to_DER_cert(PAIR.certificate.decode())
    with pytest.raises(identity.CertificateError):
        identity.identity_of_certificate(der[: min(size, len(der) - 1)])


PAIR = identity.new_identity("root", now=NOW)


def test_is_ca() -> None:
    ca = trustme.CA()
    leaf = ca.issue_cert("localhost").cert_chain_pems[0].bytes()
    assert identity.is_ca(ca.cert_pem.bytes())
    assert not identity.is_ca(leaf)
    assert not identity.is_ca(PAIR.certificate)
    assert not identity.is_ca(signed(ec.generate_private_key(ec.SECP256R1())))  # no extension at all


def constrained(*values: bytes, critical: bool = True) -> bytes:
    """A certificate with basic constraints as these bytes have them."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW, NOW + timedelta(days=1))
    for value in values:
        builder = builder.add_extension(x509.UnrecognizedExtension(BASIC_CONSTRAINTS, value), critical)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.mark.parametrize("critical", [True, False])
def test_ca_false_may_be_spelled_out(critical: bool) -> None:
    assert not identity.is_ca(constrained(bytes.fromhex("3003010100"), critical=critical))
    assert identity.is_ca(constrained(bytes.fromhex("30030101ff"), critical=critical))


def test_a_ca_cannot_hide_behind_a_ca_false_somewhere_else() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    lure = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), bytes.fromhex("0603551d1304053003010100"))
    true = x509.UnrecognizedExtension(BASIC_CONSTRAINTS, bytes.fromhex("30030101ff"))
    for order in ((lure, true), (true, lure)):
        assert identity.is_ca(signed(key, *order))
    assert not identity.is_ca(signed(key, lure))


@pytest.mark.parametrize("value", ["3003010101", "30060101000201ff", "30030101", "300301010000"])
def test_only_that_may_be(value: str) -> None:
    with pytest.raises(identity.CertificateError, match="extensions cannot be read"):
        identity.is_ca(constrained(bytes.fromhex(value)))


def test_is_ca_refuses_malformed_constraints() -> None:
    bad = x509.UnrecognizedExtension(x509.ExtensionOID.BASIC_CONSTRAINTS, b"\x04\x00")
    with pytest.raises(identity.CertificateError):
        identity.is_ca(signed(ec.generate_private_key(ec.SECP256R1()), bad))


def test_api_key_is_the_contracts_text() -> None:
    seed = bytes(range(32))
    text = identity.api_key_of_seed(seed)
    assert text == "kes:v1:" + base64.b64encode(b"\0" + seed).decode()
    public = ed25519.Ed25519PrivateKey.from_private_bytes(seed).public_key()
    assert identity.identity_of_api_key(text) == identity.identity_of_public_key(public)


def test_api_key_becomes_a_client_certificate_of_the_same_identity() -> None:
    text = identity.generate_api_key()
    pair = identity.key_pair_of_api_key(text, now=NOW)
    assert pair.identity == identity.identity_of_api_key(text) == openssl_identity(pair.certificate)
    assert not identity.is_ca(pair.certificate)


def test_api_keys_differ() -> None:
    assert identity.generate_api_key() != identity.generate_api_key()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "begins with kes:v1:"),
        ("kes:v2:" + "A" * 44, "begins with kes:v1:"),
        ("kes:v1:!!!!", "not valid base64"),
        ("kes:v1:" + "A" * 43, "not valid base64"),
        ("kes:v1:" + base64.b64encode(bytes(32)).decode(), "32 bytes instead of 33"),
        ("kes:v1:" + base64.b64encode(b"\1" + bytes(32)).decode(), "unknown type"),
    ],
)
def test_bad_api_keys_are_refused_and_never_repeated(text: str, says: str) -> None:
    with pytest.raises(identity.APIKeyError, match=says) as caught:
        identity.key_pair_of_api_key(text)
    assert text.removeprefix("kes:v1:")[:8] not in str(caught.value) or not text


def test_certificate_is_the_pages() -> None:
    pair = identity.new_identity("root", ips=["127.0.0.1", "::1"], dns=["localhost"], now=NOW)
    certificate = x509.load_pem_x509_certificate(pair.certificate)
    assert certificate.subject == certificate.issuer
    assert certificate.subject.rfc4514_string() == "CN=root"
    assert certificate.not_valid_after_utc == NOW + timedelta(days=30)
    assert timedelta(0) < NOW - certificate.not_valid_before_utc <= timedelta(minutes=5)
    get = certificate.extensions.get_extension_for_class
    assert get(x509.BasicConstraints).value == x509.BasicConstraints(ca=False, path_length=None)
    usage = get(x509.KeyUsage).value
    assert usage.digital_signature
    assert not (usage.key_cert_sign or usage.key_encipherment or usage.crl_sign)
    assert set(get(x509.ExtendedKeyUsage).value) == {
        ExtendedKeyUsageOID.CLIENT_AUTH,
        ExtendedKeyUsageOID.SERVER_AUTH,
    }
    sans = get(x509.SubjectAlternativeName).value
    assert sans.get_values_for_type(x509.IPAddress) == [ip_address("127.0.0.1"), ip_address("::1")]
    assert sans.get_values_for_type(x509.DNSName) == ["localhost"]


def test_default_key_is_p256_in_pkcs8() -> None:
    pair = identity.new_identity("root", now=NOW)
    assert pair.key.startswith(b"-----BEGIN PRIVATE KEY-----")
    key = serialization.load_pem_private_key(pair.key, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.curve.name == "secp256r1"


def test_password_encrypts_the_key() -> None:
    pair = identity.new_identity("root", password=b"correct horse", now=NOW)
    assert pair.key.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    with pytest.raises(ValueError):
        serialization.load_pem_private_key(pair.key, b"wrong")
    key = serialization.load_pem_private_key(pair.key, b"correct horse")
    assert identity.identity_of_public_key(key.public_key()) == pair.identity  # type: ignore[arg-type]


def test_a_tls_client_can_trust_it_as_a_root(tmp_path: Path) -> None:
    pair = identity.new_identity("server", ips=["127.0.0.1"], now=NOW)
    file = tmp_path / "server.cert"
    file.write_bytes(pair.certificate)
    at = str(int((NOW + timedelta(days=1)).timestamp()))
    command = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-verify_ip", "127.0.0.1"]
    subprocess.run([*command, "-attime", at, "-CAfile", str(file), str(file)], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"subject": "x" * 65}, "1 to 64 characters"),
        ({"ips": ["localhost"]}, "'localhost' is not an IP address"),
        ({"dns": ["two words"]}, "'two words' is not a host name"),
        ({"dns": [""]}, "'' is not a host name"),
        ({"expiry": timedelta(0)}, "at least one second"),
        ({"expiry": timedelta(days=-1)}, "at least one second"),
        ({"password": b""}, "the password is empty"),
    ],
)
def test_impossible_wishes_are_refused(options: dict[str, object], says: str) -> None:
    with pytest.raises(identity.IdentityError, match=says):
        identity.new_identity(**options, now=NOW)  # type: ignore[arg-type]


def test_endless_expiry_is_the_last_date_a_certificate_can_hold() -> None:
    pair = identity.new_identity("root", expiry=timedelta(days=365 * 20_000), now=NOW)
    assert x509.load_pem_x509_certificate(pair.certificate).not_valid_after_utc.year == 9999


def test_repr_shows_no_key() -> None:
    assert repr(PAIR) == f"KeyPair(identity='{PAIR.identity}')"


@pytest.mark.parametrize("text", ["", "a" * 63, "A" * 64, "g" * 64, "a" * 64 + "\n", "disabled"])
def test_what_is_no_identity(text: str) -> None:
    assert not identity.is_identity(text)
