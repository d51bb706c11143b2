"""`tls.auth: on` behind a real nginx that checks nothing itself; and routes that need no certificate."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from openkes import front
from openkes.identity import identity_of_certificate
from tests.proxy.nginx import NGINX, nginx
from tests.servers import Identity, KeyServer, make_identity, running

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed (Debian: nginx-light)")

PEM = serialization.Encoding.PEM
OPEN = "/v1/ready"
SELF = "/v1/identity/self/describe"
CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH


class Authority:
    """A CA that signs what it is told to."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = _name(name)
        self.file = folder / f"{name}.pem"
        certificate = _builder(self.name, self.name, self.key, 1).add_extension(x509.BasicConstraints(True, None), True)
        self.file.write_bytes(certificate.sign(self.key, hashes.SHA256()).public_bytes(PEM))

    def sign(self, name: str, usage: x509.ObjectIdentifier = CLIENT, days: int = 1) -> Identity:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_name(name), self.name, key, days).add_extension(x509.ExtendedKeyUsage([usage]), False)
        made = Identity(self.folder / f"{name}.key", self.folder / f"{name}.cert", "")
        made.key.write_bytes(key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        made.cert.write_bytes(builder.sign(self.key, hashes.SHA256()).public_bytes(PEM))
        return Identity(made.key, made.cert, identity_of_certificate(made.cert.read_bytes()))


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(now + timedelta(days=days))
    )


class Setting(NamedTuple):
    direct: KeyServer
    proxied: KeyServer
    proxy: Identity
    authority: Authority
    folder: Path


@pytest.fixture(scope="module", params=["engine", "python"])
def setting(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setting]:
    if request.param == "engine" and not front.have_engine():
        pytest.skip("openkes_engine is not installed: there is no Rust compiler here")
    folder = tmp_path_factory.mktemp("authority")
    authority = Authority(folder, "clients")
    # The admin of `running` is the file root.key; here its certificate comes from the CA.
    proxy, _ = authority.sign("proxy"), authority.sign("root")
    server = make_identity(folder, "server")
    config = {
        "tls": {
            "key": str(server.key),
            "cert": str(server.cert),
            "auth": "on",
            "ca": str(authority.file),
            "proxy": {"identities": [proxy.identity]},
        },
        "api": {OPEN: {"skip_auth": True}},
    }
    with (
        running(folder, config, environment={"OPENKES_ENGINE": request.param}) as direct,
        nginx(folder, direct, proxy) as proxied,
    ):
        yield Setting(direct, proxied, proxy, authority, folder)


def get(server: KeyServer, path: str, who: Identity | None, headers: dict[str, str] | None = None) -> tuple[int, str]:
    context = ssl.create_default_context(cafile=str(server.tls.cert))
    if who is not None:
        context.load_cert_chain(who.cert, who.key)
    connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=context, timeout=30)
    connection.request("GET", path, headers=headers or {})
    response = connection.getresponse()
    answer = response.status, response.read().decode()
    connection.close()
    return answer


def test_whom_the_ca_signed_is_served(setting: Setting) -> None:
    status, text = get(setting.proxied, SELF, setting.direct.admin)
    assert (status, '"admin":true' in text) == (200, True)


def refused(setting: Setting, who: Identity) -> str:
    """The server's own verdict: nginx would not pass all of these on."""
    header = {"X-Tls-Client-Cert": quote(who.cert.read_text())}
    status, text = get(setting.direct, SELF, setting.proxy, header)
    assert status == 400, text
    assert "no CA of tls.ca vouches for the one in X-Tls-Client-Cert" in text
    return text


def test_a_self_signed_certificate_is_refused(setting: Setting) -> None:
    stranger = make_identity(setting.folder, "stranger")
    assert get(setting.proxied, SELF, stranger) == (400, refused(setting, stranger))


def test_a_certificate_of_another_ca_of_the_same_name_is_refused(setting: Setting) -> None:
    (setting.folder / "other").mkdir(exist_ok=True)
    refused(setting, Authority(setting.folder / "other", "clients").sign("forged"))


def test_an_expired_certificate_is_refused(setting: Setting) -> None:
    assert "expired" in refused(setting, setting.authority.sign("expired", days=-1))


def test_a_certificate_for_servers_only_is_refused(setting: Setting) -> None:
    assert "not for clients" in refused(setting, setting.authority.sign("server-only", SERVER))


@pytest.mark.parametrize("who", ["nobody", "stranger", "the proxy itself"])
def test_a_route_that_needs_no_certificate_is_open_behind_the_proxy(setting: Setting, who: str) -> None:
    if who == "the proxy itself":  # as its health check
        assert get(setting.direct, OPEN, setting.proxy)[0] == 200
        return
    stranger = make_identity(setting.folder, "visitor") if who == "stranger" else None
    assert get(setting.proxied, OPEN, stranger)[0] == 200
    assert get(setting.proxied, "/v1/status", stranger)[0] == 400
