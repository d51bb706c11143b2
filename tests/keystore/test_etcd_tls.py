"""The etcd store over TLS, with client certificates and a login."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from openkes.keystore import KeyNotFound, Unreachable
from openkes.keystore.etcd import EtcdStore
from openkes.keystore.etcd.failures import Kind, failure
from openkes.keystore.http import Answer, ClientTLS
from tests.keystore.etcd_server import PREFIX, Guarded, needs_etcdctl, running

pytestmark = needs_etcdctl
A_DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA) -> ClientTLS:
    """A client's."""
    folder = tmp_path_factory.mktemp("tls")
    authority.cert_pem.write_to_path(folder / "ca.crt")
    issue(authority, folder, "server")
    return issue(authority, folder, "client")


def issue(authority: trustme.CA, folder: Path, name: str, common_name: str | None = None) -> ClientTLS:
    """For 127.0.0.1, with both extended key usages."""
    pair = authority.issue_cert("127.0.0.1", common_name=common_name)
    pair.private_key_pem.write_to_path(folder / f"{name}.key")
    pair.cert_chain_pems[0].write_to_path(folder / f"{name}.crt")
    return ClientTLS(folder / "ca.crt", folder / f"{name}.key", folder / f"{name}.crt")


def arguments(files: Path, server: str = "server") -> list[str]:
    return [
        *("--client-cert-auth", "--trusted-ca-file", str(files / "ca.crt")),
        *("--cert-file", str(files / f"{server}.crt"), "--key-file", str(files / f"{server}.key")),
    ]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, tls: ClientTLS) -> Iterator[Guarded]:
    assert tls.ca is not None
    folder = tmp_path_factory.mktemp("guarded")
    with running(folder / "etcd", 1, arguments(tls.ca.parent), tls) as cluster:
        yield Guarded(cluster, folder)


def test_a_client_certificate_and_a_login(guarded: Guarded, tls: ClientTLS) -> None:
    store = guarded.store(tls=tls)
    store.create("key", b"entry")
    assert store.get("key") == b"entry"
    with pytest.raises(KeyNotFound):
        store.get("absent")


def test_no_client_certificate(guarded: Guarded, tls: ClientTLS) -> None:
    with pytest.raises(Unreachable, match=r"without a client certificate\?"):
        guarded.store(tls=ClientTLS(ca=tls.ca))


def test_a_client_certificate_alone(guarded: Guarded, tls: ClientTLS) -> None:
    with pytest.raises(Unreachable, match=r"it wants a login: set keystore\.etcd\.user"):
        EtcdStore(guarded.cluster.urls, PREFIX, tls)


def test_one_with_a_common_name(guarded: Guarded, authority: trustme.CA, tls: ClientTLS) -> None:
    assert tls.ca is not None
    named = issue(authority, tls.ca.parent, "named", "kes")
    with pytest.raises(Unreachable, match="without a common name"):
        guarded.store(tls=named)


def test_a_member_of_another_authority(guarded: Guarded, tmp_path: Path, tls: ClientTLS) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.crt")
    with pytest.raises(Unreachable, match="its certificate is not trusted"):
        guarded.store(tls=ClientTLS(tmp_path / "other.crt", tls.key, tls.cert))


def for_servers_only(authority: trustme.CA, folder: Path, name: str) -> None:
    """A certificate as many authorities issue it: without the extended key usage clientAuth."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    issuer = x509.load_pem_x509_certificate(authority.cert_pem.bytes())
    signer = serialization.load_pem_private_key(authority.private_key_pem.bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    certificate = (
        x509.CertificateBuilder(issuer.subject, x509.Name([]), key.public_key(), 7, now - A_DAY, now + A_DAY)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(signer, hashes.SHA256())
    )
    (folder / f"{name}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def test_a_member_whose_certificate_is_for_servers_only(
    tmp_path: Path, authority: trustme.CA, tls: ClientTLS, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openkes.keystore.etcd.gateway.ELECTION_SECONDS", 1.0)
    assert tls.ca is not None
    for_servers_only(authority, tls.ca.parent, "servers-only")
    with (
        running(tmp_path, 1, arguments(tls.ca.parent, "servers-only"), tls) as cluster,
        pytest.raises(Unreachable, match="need the extended key usage clientAuth, too"),
    ):
        EtcdStore(cluster.urls, PREFIX, tls)


@pytest.mark.parametrize(
    "words",
    [
        'connection error: desc = "transport: authentication handshake failed: remote error: tls: bad certificate"',
        "connection closed before server preface received",
        "write tcp 127.0.0.1:56968->127.0.0.1:44967: use of closed network connection",
        "write tcp 127.0.0.1:56968->127.0.0.1:44967: write: broken pipe",
        "read tcp 127.0.0.1:56968->127.0.0.1:44967: read: connection reset by peer",
    ],
)
def test_all_that_a_gateway_says_which_its_own_member_hangs_up_on(words: str) -> None:
    failed = failure(Answer(503, {"code": 14, "message": words}, {}))
    assert failed.kind is Kind.UNKNOWN
    assert "clientAuth" in failed.text
