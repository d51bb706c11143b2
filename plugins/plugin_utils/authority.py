# Copyright: openkes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The authority in a folder on the controller: its key and certificate, the admin identity, what was issued.

Owns the layout of that folder and everything signed there. The authority's key and the admin key never leave it.
Runs on the controller only, where ansible-core has brought `cryptography`; knows nothing of managed hosts.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import re
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SKEW = dt.timedelta(minutes=10)  # the hosts' clocks may be a little behind the controller's
USAGES = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}
SigningKey = ec.EllipticCurvePrivateKey


class AuthorityError(Exception):
    """The folder cannot be used; the text says why and what to do."""


class Authority:
    """One folder. `ca.key`, `ca.crt`, `admin.key`, `admin.crt`, `issued/HOST.KIND.crt`, `.gitignore`."""

    def __init__(self, folder: str | Path, password: str | None = None) -> None:
        self.folder = Path(folder).expanduser()
        self._password = password.encode() if password else None

    @property
    def certificate(self) -> Path:
        return self.folder / "ca.crt"

    @property
    def key(self) -> Path:
        return self.folder / "ca.key"

    def prepare(self) -> bool:
        """Make the folder (0700) with its `.gitignore`; True when something was made."""
        changed = not self.folder.is_dir()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.folder.stat().st_mode & 0o077:
            self.folder.chmod(0o700)
            changed = True
        ignore = self.folder / ".gitignore"
        if not ignore.exists():
            write(ignore, b"# Private keys live here. Nothing of it belongs into version control.\n*\n", 0o600)
            changed = True
        return changed

    def create(self, common_name: str, days: int, now: dt.datetime) -> bool:
        """Make the authority's key and certificate if absent; an existing one is never replaced."""
        if self.certificate.exists() and self.key.exists():
            self.load(now)
            return False
        if self.certificate.exists() or self.key.exists():
            present, absent = (
                (self.certificate, self.key) if self.certificate.exists() else (self.key, self.certificate)
            )
            raise AuthorityError(
                f"{present} is there but {absent.name} is not. Restore it from the backup; if it is lost, move"
                f" {present.name} away and every certificate will be issued again by a new authority."
            )
        key = new_key()
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        public = key.public_key()
        certificate = (
            _leafless(name, name, public, days, now)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(sign_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .sign(key, hashes.SHA256())
        )
        write(self.key, private_pem(key, self._password), 0o600)
        write(self.certificate, public_pem(certificate), 0o644)
        return True

    def load(self, now: dt.datetime) -> tuple[SigningKey, x509.Certificate]:
        """Key and certificate, checked against each other and the clock. Raises AuthorityError."""
        try:
            key = serialization.load_pem_private_key(self.key.read_bytes(), self._password)
            certificate = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        except FileNotFoundError as error:
            raise AuthorityError(f"{error.filename} is missing: the authority has not been made yet.") from None
        except TypeError:
            raise AuthorityError(
                f"{self.key} is protected by a password and none was given, or the other way round:"
                " see kes_pki_ca_password."
            ) from None
        except ValueError:
            raise AuthorityError(
                f"{self.key} or {self.certificate.name} is damaged, or the password is wrong."
            ) from None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or spki(key.public_key()) != spki(certificate.public_key()):
            raise AuthorityError(f"{self.key} does not belong to {self.certificate.name}.")
        if certificate.not_valid_after_utc <= now:
            raise AuthorityError(
                f"The authority's certificate {self.certificate} ended on {certificate.not_valid_after_utc:%Y-%m-%d}."
                " Move the folder away and run again; every certificate is then issued by a new authority."
            )
        return key, certificate

    def sign(self, request_pem: str, names: list[str], usage: str, days: int, now: dt.datetime) -> str:
        """A leaf certificate for the request's key, PEM. The extensions are decided here, not by the request."""
        key, issuer = self.load(now)
        request = x509.load_pem_x509_csr(request_pem.encode())
        if not request.is_signature_valid:
            raise AuthorityError("the certificate request is not signed by its own key")
        public = request.public_key()
        builder = (
            _leafless(request.subject, issuer.subject, public, days, now, issuer.not_valid_after_utc)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(sign_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([USAGES[usage]]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
                    issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
                ),
                critical=False,
            )
        )
        if names:
            builder = builder.add_extension(alternatives(names), critical=False)
        return public_pem(builder.sign(key, hashes.SHA256())).decode()

    def issued(self, host: str, kind: str) -> Path:
        """Where the copy of a host's certificate lies; kind is `server` or `client`."""
        return self.folder / "issued" / f"{re.sub(r'[^A-Za-z0-9_.@:-]', '_', host)}.{kind}.crt"

    def record(self, host: str, kind: str, certificate_pem: str) -> None:
        """Remember a host's certificate, so that a later run knows its identity without asking the host."""
        path = self.issued(host, kind)
        path.parent.mkdir(mode=0o700, exist_ok=True, parents=True)
        if not path.exists() or path.read_text() != certificate_pem:
            write(path, certificate_pem.encode(), 0o644)


def new_key() -> SigningKey:
    """P-256, as everywhere in this collection."""
    return ec.generate_private_key(ec.SECP256R1())


def self_signed(key: SigningKey, common_name: str, usage: str, days: int, now: dt.datetime) -> x509.Certificate:
    """A self-signed leaf (CA:FALSE: a key server refuses a CA certificate as a client)."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    return (
        _leafless(name, name, key.public_key(), days, now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(sign_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([USAGES[usage]]), critical=False)
        .sign(key, hashes.SHA256())
    )


def _leafless(
    subject: x509.Name,
    issuer: x509.Name,
    public: object,
    days: int,
    now: dt.datetime,
    end: dt.datetime | None = None,
) -> x509.CertificateBuilder:
    until = now + dt.timedelta(days=days)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)  # type: ignore[arg-type]
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(min(until, end) if end else until)
    )


def _key_usage(sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def alternatives(names: list[str]) -> x509.SubjectAlternativeName:
    """Names and addresses as the extension holds them."""
    entries: list[x509.GeneralName] = []
    for name in names:
        try:
            entries.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            entries.append(x509.DNSName(name))
    return x509.SubjectAlternativeName(entries)


def spki(public: object) -> bytes:
    """DER SubjectPublicKeyInfo."""
    return public.public_bytes(  # type: ignore[attr-defined,no-any-return]
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def identity(public: object) -> str:
    """Who the key is to a key server."""
    digest = hashes.Hash(hashes.SHA256())
    digest.update(spki(public))
    return digest.finalize().hex()


def private_pem(key: SigningKey, password: bytes | None = None) -> bytes:
    """PKCS#8."""
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        encryption = serialization.BestAvailableEncryption(password)
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def public_pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def write(path: Path, data: bytes, mode: int) -> None:
    """Whole or not at all, unreadable by others while it is written."""
    handle, temporary = tempfile.mkstemp(prefix=".", suffix=".new", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
