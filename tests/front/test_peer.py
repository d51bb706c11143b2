"""Who is at the other end: every client certificate is taken, its key is proved, its facts are told."""

from __future__ import annotations

import base64
import functools
import ssl
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from openkes.front import TLSFiles
from tests.front.certificates import Client, Key, big_rsa, certificate, client, version_1
from tests.front.conftest import Serve, files_of
from tests.front.wire import Wire

KEYS = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
    "RSA-2048": lambda: rsa.generate_private_key(65537, 2048),
    "RSA-3072": lambda: rsa.generate_private_key(65537, 3072),
}


@functools.cache
def key_of_kind(kind: str) -> Key:
    """One for all tests: some take long to make."""
    return KEYS[kind]()  # type: ignore[no-untyped-call, no-any-return]


VERSIONS = [
    pytest.param(ssl.TLSVersion.TLSv1_2, id="TLS-1.2"),
    pytest.param(ssl.TLSVersion.TLSv1_3, id="TLS-1.3"),
]


def p256_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", list(KEYS))
def test_every_kind_of_key(serve: Serve, tmp_path: Path, kind: str, version: ssl.TLSVersion) -> None:
    key = key_of_kind(kind)
    mine = client(tmp_path, key)
    with Wire(serve().address, mine, version=version) as wire:
        assert wire.sock.version() == ("TLSv1.2" if version is ssl.TLSVersion.TLSv1_2 else "TLSv1.3")
        facts = wire.ask().json
        assert facts["identity"] == mine.identity
        assert base64.b64decode(facts["certificate"]) == mine.leaf
        assert facts["chain_length"] == 1
        host, port = wire.sock.getsockname()
        assert facts["address"] == f"{host}:{port}"


@pytest.fixture(scope="module", params=[4096, 8192])
def big(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Client:
    return big_rsa(tmp_path_factory.mktemp("rsa"), request.param)


def test_big_rsa(serve: Serve, big: Client) -> None:
    mine = big
    with Wire(serve().address, mine) as wire:
        assert wire.ask().json["identity"] == mine.identity


@pytest.mark.parametrize("version", VERSIONS)
def test_without_a_certificate(serve: Serve, version: ssl.TLSVersion) -> None:
    with Wire(serve().address, version=version) as wire:
        facts = wire.ask().json
        assert (facts["identity"], facts["certificate"], facts["chain_length"]) == ("", None, 0)


def test_tls_1_1_is_refused(serve: Serve) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    from tests.front.wire import connect_tcp

    with connect_tcp(serve().address) as sock, pytest.raises(ssl.SSLError, match=r"(?i)alert"):
        context.wrap_socket(sock)


@pytest.mark.parametrize("days", [(-3, -1), (1, 3)], ids=["expired", "not-yet"])
def test_dates_do_not_count(serve: Serve, tmp_path: Path, days: tuple[int, int]) -> None:
    key = p256_key()
    mine = client(tmp_path, key, certificate(key, days=days))
    with Wire(serve().address, mine) as wire:
        assert wire.ask().json["identity"] == mine.identity


def test_a_ca_certificate_reaches_the_application(serve: Serve, tmp_path: Path) -> None:
    key = p256_key()
    mine = client(tmp_path, key, certificate(key, ca=True))
    with Wire(serve().address, mine) as wire:
        assert base64.b64decode(wire.ask().json["certificate"]) == mine.leaf


def test_an_unknown_issuer_does_not_count(serve: Serve, tmp_path: Path) -> None:
    key = p256_key()
    mine = client(tmp_path, key, certificate(key, issuer=("nobody", p256_key())))
    with Wire(serve().address, mine) as wire:
        assert wire.ask().json["identity"] == mine.identity


def test_two_leaves_are_counted_and_the_first_counts(serve: Serve, tmp_path: Path) -> None:
    key, other = p256_key(), p256_key()
    mine = client(tmp_path, key, certificate(key), certificate(other))
    with Wire(serve().address, mine) as wire:
        facts = wire.ask().json
        assert (facts["identity"], facts["chain_length"]) == (mine.identity, 2)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_version_1_certificate(serve: Serve, tmp_path: Path, version: ssl.TLSVersion) -> None:
    key = p256_key()
    mine = client(tmp_path, key, version_1(key))
    with Wire(serve().address, mine, version=version) as wire:
        assert wire.ask().json["identity"] == mine.identity


def test_one_peer_object_for_a_connection(serve: Serve) -> None:
    served = serve()
    with Wire(served.address) as first, Wire(served.address) as other:
        first.ask(target="/hot")
        first.ask(target="/application")
        served.doors.peers[0].state = "remembered"
        first.ask(target="/hot")
        other.ask(target="/hot")
    *mine, stranger = served.doors.peers
    assert len(mine) == 4
    assert all(peer is mine[0] for peer in mine)
    assert stranger is not mine[0]
    assert stranger.state is None


@pytest.fixture
def clients_authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def strict(authority: trustme.CA, clients_authority: trustme.CA) -> TLSFiles:
    return files_of(authority, client_ca=clients_authority.cert_pem.bytes())


def issued(folder: Path, authority: trustme.CA, **options: object) -> Client:
    leaf = authority.issue_cert("client@example.com", **options)  # type: ignore[arg-type]
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    key = serialization.load_pem_private_key(leaf.private_key_pem.bytes(), None)
    chain = [x509.load_pem_x509_certificate(pem.bytes()) for pem in leaf.cert_chain_pems]
    return client(folder, key, *chain)  # type: ignore[arg-type]


def test_a_chain_that_verifies(serve: Serve, strict: TLSFiles, clients_authority: trustme.CA, tmp_path: Path) -> None:
    mine = issued(tmp_path, clients_authority.create_child_ca())
    with Wire(serve(tls=strict).address, mine) as wire:
        facts = wire.ask().json
        assert facts["identity"] == mine.identity
        assert facts["chain_length"] == 2


def refused(address: tuple[str, int], mine: Client) -> bool:
    """True when the connection ends in an alert, now or (TLS 1.3) with the first read."""
    try:
        with Wire(address, mine) as wire:
            wire.ask()
    except (ssl.SSLError, ConnectionError, EOFError):
        return True
    return False


def test_a_self_signed_certificate_does_not_verify(serve: Serve, strict: TLSFiles, tmp_path: Path) -> None:
    key = p256_key()
    assert refused(serve(tls=strict).address, client(tmp_path, key))


def test_an_expired_certificate_does_not_verify(
    serve: Serve, strict: TLSFiles, clients_authority: trustme.CA, tmp_path: Path
) -> None:
    from datetime import UTC, datetime

    mine = issued(
        tmp_path,
        clients_authority,
        not_before=datetime(2020, 1, 1, tzinfo=UTC),
        not_after=datetime(2021, 1, 1, tzinfo=UTC),
    )
    assert refused(serve(tls=strict).address, mine)


def test_verification_lets_the_certificate_be_absent(serve: Serve, strict: TLSFiles) -> None:
    with Wire(serve(tls=strict).address) as wire:
        assert wire.ask().json["identity"] == ""


def test_verification_by_the_systems_roots(
    serve: Serve,
    authority: trustme.CA,
    clients_authority: trustme.CA,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    roots = tmp_path / "roots.pem"
    roots.write_bytes(clients_authority.cert_pem.bytes())
    monkeypatch.setenv("SSL_CERT_FILE", str(roots))
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    address = serve(tls=files_of(authority, client_ca=b"")).address
    mine = issued(tmp_path, clients_authority)
    with Wire(address, mine) as wire:
        assert wire.ask().json["identity"] == mine.identity
    assert refused(address, client(tmp_path, p256_key()))
    with Wire(address) as wire:
        assert wire.ask().status == 200
