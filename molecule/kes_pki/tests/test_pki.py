"""Certificates of key servers: who signed them, for which names, for how long, and where their keys are."""

from __future__ import annotations

import ipaddress
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.roles import on_host

KEY = "/etc/openkes/tls/server.key"
CERTIFICATE = "/etc/openkes/tls/server.crt"
FOLDER = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "pki"


@pytest.fixture(scope="module", params=["kes-1", "kes-2"])
def host(request: pytest.FixtureRequest) -> Any:
    return on_host.connect(request.param)


def certificate(host: Any) -> x509.Certificate:
    return x509.load_pem_x509_certificate(host.file(CERTIFICATE).content)


def authority() -> x509.Certificate:
    return x509.load_pem_x509_certificate((FOLDER / "ca.crt").read_bytes())


def test_key_is_p256_and_read_by_the_server_alone(host: Any) -> None:
    file = host.file(KEY)
    assert (file.user, file.group, file.mode) == ("root", "openkes", 0o640)
    key = load_pem_private_key(file.content, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.curve.name == "secp256r1"
    assert key.public_key() == certificate(host).public_key()


def test_it_is_the_only_private_key_on_the_host(host: Any) -> None:
    assert on_host.files_with_private_keys(host) == {KEY}


def test_certificate_names_the_host_as_it_is_used(host: Any) -> None:
    names = certificate(host).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert host.backend.host.name in names.get_values_for_type(x509.DNSName)
    address = host.check_output("getent hosts %s", host.backend.host.name).split()[0]
    assert ipaddress.ip_address(address) in names.get_values_for_type(x509.IPAddress)


def test_certificate_is_no_authority(host: Any) -> None:
    assert not certificate(host).extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_more_names_are_in_it() -> None:
    found = certificate(on_host.connect("kes-1")).extensions
    names = found.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "kes.example.org" in names.get_values_for_type(x509.DNSName)
    assert ipaddress.ip_address("192.0.2.7") in names.get_values_for_type(x509.IPAddress)


def test_authority_signs_for_a_year() -> None:
    leaf = certificate(on_host.connect("kes-1"))
    leaf.verify_directly_issued_by(authority())
    assert timedelta(days=364) < leaf.not_valid_after_utc - leaf.not_valid_before_utc < timedelta(days=366)


def test_self_signed_is_the_page_s_thirty_days() -> None:
    leaf = certificate(on_host.connect("kes-2"))
    leaf.verify_directly_issued_by(leaf)
    assert timedelta(days=29) < leaf.not_valid_after_utc - leaf.not_valid_before_utc < timedelta(days=31)


def test_authority_stays_on_the_controller_and_out_of_git() -> None:
    assert FOLDER.stat().st_mode & 0o777 == 0o700
    assert (FOLDER / "ca.key").stat().st_mode & 0o777 == 0o600
    assert (FOLDER / ".gitignore").read_text().splitlines()[-1] == "*"
    assert authority().extensions.get_extension_for_class(x509.BasicConstraints).value.ca
