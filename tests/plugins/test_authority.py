"""The authority on the controller, the verdict over certificates, the admin identity."""

from __future__ import annotations

import datetime as dt
import hashlib
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from tests.plugins import conftest  # noqa: F401 - makes the collection importable

from ansible_collections.openkes.kes.plugins.plugin_utils import admin, brought, verdict  # isort: skip
from ansible_collections.openkes.kes.plugins.plugin_utils import authority as ca  # isort: skip

NOW = dt.datetime(2026, 11, 25, 12, 0, tzinfo=dt.UTC)
NAMES = ["kes-1", "10.0.0.5", "::1"]


@pytest.fixture
def authority(tmp_path: Path) -> ca.Authority:
    made = ca.Authority(tmp_path / "pki")
    made.prepare()
    made.create("test authority", 3650, NOW)
    return made


def request(key: ca.SigningKey) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kes-1")])
    made = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode()


@pytest.fixture
def key() -> ca.SigningKey:
    return ca.new_key()


@pytest.fixture
def leaf(authority: ca.Authority, key: ca.SigningKey) -> str:
    return authority.sign(request(key), NAMES, "server", 90, NOW)


def wanted(
    authority: ca.Authority, key: ca.SigningKey, names: list[str] = NAMES, usage: str = "server"
) -> verdict.Wanted:
    return verdict.Wanted(key.public_key(), names, usage, authority.load(NOW)[1])


def test_the_folder_is_the_operators_alone(authority: ca.Authority) -> None:
    assert authority.folder.stat().st_mode & 0o777 == 0o700
    assert authority.key.stat().st_mode & 0o777 == 0o600
    assert "*" in (authority.folder / ".gitignore").read_text().splitlines()


def test_an_authority_is_never_made_twice(authority: ca.Authority) -> None:
    before = authority.key.read_bytes()
    assert authority.create("test authority", 3650, NOW) is False
    assert authority.key.read_bytes() == before


@pytest.mark.parametrize("lost", ["ca.key", "ca.crt"])
def test_half_an_authority_is_not_replaced(authority: ca.Authority, lost: str) -> None:
    (authority.folder / lost).unlink()
    with pytest.raises(ca.AuthorityError, match=f"{lost} is not"):
        authority.create("test authority", 3650, NOW)


def test_a_leaf_satisfies_openssl(authority: ca.Authority, leaf: str, tmp_path: Path) -> None:
    file = tmp_path / "leaf.crt"
    file.write_text(leaf)
    # Its own clock, so that the test does not depend on today's date.
    at = str(int((NOW + dt.timedelta(days=1)).timestamp()))
    for check in (["-verify_hostname", "kes-1"], ["-verify_ip", "10.0.0.5"], ["-verify_ip", "::1"]):
        command = ["openssl", "verify", "-x509_strict", "-attime", at, "-purpose", "sslserver", *check]
        done = subprocess.run(
            [*command, "-CAfile", authority.certificate, file], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_good_leaf_stays(authority: ca.Authority, key: ca.SigningKey, leaf: str) -> None:
    assert verdict.fault(leaf, wanted(authority, key), NOW) is None


@pytest.mark.parametrize(("days", "renewed"), [(59, False), (61, True), (91, True)])
def test_a_leaf_is_renewed_in_its_last_third(
    authority: ca.Authority, key: ca.SigningKey, leaf: str, days: int, renewed: bool
) -> None:
    reason = verdict.fault(leaf, wanted(authority, key), NOW + dt.timedelta(days=days))
    assert (reason is not None) is renewed


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["kes-1", "10.0.0.5", "::1", "kes.example"], "without kes.example"),
        (["kes-1", "::1"], "with 10.0.0.5, no longer used"),
    ],
)
def test_other_names_need_another_leaf(
    authority: ca.Authority, key: ca.SigningKey, leaf: str, names: list[str], says: str
) -> None:
    assert says in str(verdict.fault(leaf, wanted(authority, key, names), NOW))


def test_spelling_of_names_and_addresses_does_not_count(authority: ca.Authority, key: ca.SigningKey, leaf: str) -> None:
    assert verdict.fault(leaf, wanted(authority, key, ["0:0::1", "KES-1", "10.0.0.5"]), NOW) is None


def test_a_leaf_of_another_key_is_not_kept(authority: ca.Authority, leaf: str) -> None:
    assert "another key" in str(verdict.fault(leaf, wanted(authority, ca.new_key()), NOW))


def test_a_leaf_of_another_authority_is_not_kept(tmp_path: Path, key: ca.SigningKey, leaf: str) -> None:
    other = ca.Authority(tmp_path / "other")
    other.prepare()
    other.create("test authority", 3650, NOW)
    assert "present authority" in str(verdict.fault(leaf, wanted(other, key), NOW))


def test_a_servers_leaf_is_not_a_clients(authority: ca.Authority, key: ca.SigningKey, leaf: str) -> None:
    assert "not for a client" in str(verdict.fault(leaf, wanted(authority, key, usage="client"), NOW))


@pytest.mark.parametrize("text", ["", "  \n", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_broken_leaf_is_not_kept(authority: ca.Authority, key: ca.SigningKey, text: str) -> None:
    assert verdict.fault(text, wanted(authority, key), NOW) is not None


def test_a_leaf_never_outlives_its_authority(authority: ca.Authority, key: ca.SigningKey) -> None:
    text = authority.sign(request(key), NAMES, "server", 99999, NOW)
    end = x509.load_pem_x509_certificate(text.encode()).not_valid_after_utc
    assert end == authority.load(NOW)[1].not_valid_after_utc


def test_the_password_protects_the_key(tmp_path: Path) -> None:
    authority = ca.Authority(tmp_path / "pki", "secret")
    authority.prepare()
    authority.create("test authority", 3650, NOW)
    assert b"ENCRYPTED" in authority.key.read_bytes()
    assert authority.load(NOW)
    with pytest.raises(ca.AuthorityError, match="kes_pki_ca_password"):
        ca.Authority(tmp_path / "pki").load(NOW)


def test_identity_is_the_hash_of_the_public_key(key: ca.SigningKey) -> None:
    der = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert ca.identity(key.public_key()) == hashlib.sha256(der).hexdigest()


def test_admin_is_made_once_and_renewed_on_its_key(authority: ca.Authority) -> None:
    assert admin.admin_state(authority, NOW).identity == ""
    first = admin.keep_admin(authority, "admin", 365, NOW)
    assert first.reason is None
    certificate = x509.load_pem_x509_certificate((authority.folder / "admin.crt").read_bytes())
    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    later = NOW + dt.timedelta(days=300)
    assert admin.admin_state(authority, later).reason is not None
    renewed = admin.keep_admin(authority, "admin", 365, later)
    assert (renewed.identity, renewed.reason) == (first.identity, None)
    assert (authority.folder / "admin.key").stat().st_mode & 0o777 == 0o600


def test_a_broken_admin_key_is_not_replaced(authority: ca.Authority) -> None:
    (authority.folder / "admin.key").write_text("")
    with pytest.raises(ca.AuthorityError, match="Restore it"):
        admin.admin_state(authority, NOW)


class TestBrought:
    """A key and certificate that the operator brings."""

    @pytest.fixture
    def files(self, authority: ca.Authority, key: ca.SigningKey, leaf: str, tmp_path: Path) -> tuple[Path, Path]:
        (tmp_path / "own.key").write_bytes(ca.private_pem(key))
        (tmp_path / "own.crt").write_text(leaf)
        return tmp_path / "own.key", tmp_path / "own.crt"

    def test_a_pair_is_taken(self, files: tuple[Path, Path]) -> None:
        assert brought.pair(str(files[0]), str(files[1]), NOW) == (files[0].read_text(), files[1].read_text())

    def test_another_key_is_refused(self, files: tuple[Path, Path]) -> None:
        files[0].write_bytes(ca.private_pem(ca.new_key()))
        with pytest.raises(brought.BroughtError, match="was not made for the key"):
            brought.pair(str(files[0]), str(files[1]), NOW)

    def test_a_password_is_refused(self, files: tuple[Path, Path], key: ca.SigningKey) -> None:
        files[0].write_bytes(ca.private_pem(key, b"secret"))
        with pytest.raises(brought.BroughtError, match="password"):
            brought.pair(str(files[0]), str(files[1]), NOW)

    def test_an_authoritys_certificate_is_refused(self, authority: ca.Authority) -> None:
        with pytest.raises(brought.BroughtError, match="CA:TRUE"):
            brought.pair(str(authority.key), str(authority.certificate), NOW)

    def test_a_missing_file_is_named(self, files: tuple[Path, Path]) -> None:
        files[1].unlink()
        with pytest.raises(brought.BroughtError, match=r"own\.crt cannot be read"):
            brought.pair(str(files[0]), str(files[1]), NOW)

    def test_one_that_has_ended_is_refused(self, files: tuple[Path, Path]) -> None:
        with pytest.raises(brought.BroughtError, match="ended on 2027-02-23"):
            brought.pair(str(files[0]), str(files[1]), NOW + dt.timedelta(days=91))
