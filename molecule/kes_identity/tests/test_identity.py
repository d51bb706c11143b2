"""Identities: keys made where they are used, and a policy that lets exactly these hosts use exactly this key."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.roles import on_host

FOLDER = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "pki"
HOSTS = ["minio-1", "minio-2"]


@pytest.fixture(scope="module", params=HOSTS)
def host(request: pytest.FixtureRequest) -> Any:
    return on_host.connect(request.param)


def certificate(host: Any) -> x509.Certificate:
    return x509.load_pem_x509_certificate(host.file("/etc/openkes/client.crt").content)


def identity(cert: x509.Certificate) -> str:
    spki = cert.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest()


def test_key_is_read_by_minio_alone(host: Any) -> None:
    file = host.file("/etc/openkes/client.key")
    assert (file.user, file.group, file.mode) == ("minio-user", "minio-user", 0o400)
    assert load_pem_private_key(file.content, None).public_key() == certificate(host).public_key()
    assert on_host.files_with_private_keys(host) == {"/etc/openkes/client.key"}


def test_minio_itself_can_read_all_three(host: Any) -> None:
    for name in ("client.key", "client.crt", "ca.crt"):
        host.run_expect([0], f"runuser -u minio-user -- cat /etc/openkes/{name}")


def test_certificate_is_a_client_s(host: Any) -> None:
    extensions = certificate(host).extensions
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    usage = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert ExtendedKeyUsageOID.CLIENT_AUTH in usage


def test_minio_trusts_the_authority(host: Any) -> None:
    assert host.file("/etc/openkes/ca.crt").content.strip() == (FOLDER / "ca.crt").read_bytes().strip()


def test_policy_is_least_privilege_for_exactly_these_hosts() -> None:
    policies = json.loads(on_host.connect("kes-1").file("/run/policies.json").content)
    assert list(policies) == ["minio"]
    policy = policies["minio"]
    assert sorted(policy["identities"]) == sorted(identity(certificate(on_host.connect(name))) for name in HOSTS)
    assert {path for path in policy["allow"] if path.startswith("/v1/key/")} == {
        f"/v1/key/{call}/my-master-key" for call in ("generate", "decrypt", "describe")
    }
    assert "/v1/status" in policy["allow"]


def test_admin_stays_on_the_controller() -> None:
    admin = x509.load_pem_x509_certificate((FOLDER / "admin.crt").read_bytes())
    assert (FOLDER / "admin.key").stat().st_mode & 0o777 == 0o600
    assert not admin.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert identity(admin) not in on_host.connect("kes-1").file("/run/policies.json").content_string
    assert on_host.files_with_private_keys(on_host.connect("kes-1")) == {"/etc/openkes/tls/server.key"}
