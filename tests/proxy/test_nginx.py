"""Proxy mode behind a real nginx: the client's identity counts, and only a listed proxy may speak for others."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import pytest

from openkes import front
from openkes.client import ClientError
from tests.contract.certificates import ca_pair
from tests.proxy.nginx import NGINX, nginx
from tests.servers import Identity, KeyServer, make_identity, running

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed (Debian: nginx-light)")


class Setting(NamedTuple):
    direct: KeyServer
    proxied: KeyServer
    proxy: Identity
    minio: Identity
    folder: Path


@pytest.fixture(scope="module", params=["engine", "python"])
def setting(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setting]:
    if request.param == "engine" and not front.have_engine():
        pytest.skip("openkes_engine is not installed: there is no Rust compiler here")
    folder = tmp_path_factory.mktemp("proxy")
    proxy, minio, server = (make_identity(folder, name) for name in ("proxy", "minio", "server"))
    config = {
        "tls": {
            "key": str(server.key),
            "cert": str(server.cert),
            "proxy": {"identities": [proxy.identity], "header": {"cert": "X-Tls-Client-Cert"}},
        },
        "policy": {"minio": {"allow": ["/v1/key/generate/*", "/v1/key/decrypt/*"], "identities": [minio.identity]}},
        "keys": [{"name": "my-key"}],
    }
    with (
        running(folder, config, environment={"OPENKES_ENGINE": request.param}) as direct,
        nginx(folder, direct, proxy) as proxied,
    ):
        yield Setting(direct, proxied, proxy, minio, folder)


def test_the_clients_own_policy_counts(setting: Setting) -> None:
    with setting.proxied.client(setting.minio) as client:
        plaintext, ciphertext = client.generate("my-key", b"context")
        assert client.decrypt("my-key", ciphertext, b"context") == plaintext
        with pytest.raises(ClientError, match="insufficient permissions"):
            client.create_key("another")


def test_the_admin_is_the_admin_behind_the_proxy_too(setting: Setting) -> None:
    with setting.proxied.client() as client:
        assert client.describe_self()["admin"] is True


def test_a_stranger_stays_a_stranger(setting: Setting) -> None:
    stranger = make_identity(setting.folder, "stranger")
    with setting.proxied.client(stranger) as client, pytest.raises(ClientError, match="insufficient permissions"):
        client.generate("my-key")


def test_the_audit_names_the_client(setting: Setting) -> None:
    with setting.proxied.client(setting.minio) as client:
        client.generate("my-key")
    assert setting.minio.identity in setting.direct.stdout


def call(server: KeyServer, who: Identity, headers: dict[str, str], method: str = "GET") -> tuple[int, str]:
    context = ssl.create_default_context(cafile=str(server.tls.cert))
    context.load_cert_chain(who.cert, who.key)
    connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=context, timeout=30)
    connection.request(method, "/v1/identity/self/describe", headers=headers)
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, text


@pytest.mark.parametrize("name", ["X-Tls-Client-Cert", "x-tls-client-cert", "X_Tls_Client_Cert"])
def test_nobody_becomes_the_admin_by_a_header(setting: Setting, name: str) -> None:
    header = {name: quote(setting.direct.admin.cert.read_text())}
    stranger = make_identity(setting.folder, "liar")
    assert call(setting.direct, stranger, header)[0] == 404
    assert call(setting.proxied, stranger, header)[0] == 404


def test_a_proxy_without_the_header_is_nobody(setting: Setting) -> None:
    status, text = call(setting.direct, setting.proxy, {})
    assert (status, "the proxy forwarded none in X-Tls-Client-Cert" in text) == (400, True)


def test_a_client_without_a_certificate_is_nobody(setting: Setting) -> None:
    context = ssl.create_default_context(cafile=str(setting.proxied.tls.cert))
    connection = http.client.HTTPSConnection("127.0.0.1", setting.proxied.port, context=context, timeout=30)
    connection.request("GET", "/v1/identity/self/describe")
    response = connection.getresponse()
    assert (response.status, b"client certificate is required" in response.read()) == (400, True)
    connection.close()


@pytest.mark.parametrize(
    "value",
    ["garbage", quote("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "%", "%00", "A" * 40_000],
    ids=["text", "bad-der", "percent", "nul", "huge"],
)
def test_a_proxy_that_sends_nonsense_gets_an_error(setting: Setting, value: str) -> None:
    status, text = call(setting.direct, setting.proxy, {"X-Tls-Client-Cert": value})
    assert (status, "cannot be read" in text) == (400, True)


def test_a_proxy_that_sends_two_certificates_gets_an_error(setting: Setting) -> None:
    both = quote(setting.minio.cert.read_text() + setting.direct.admin.cert.read_text())
    assert call(setting.direct, setting.proxy, {"X-Tls-Client-Cert": both})[0] == 400


def test_a_ca_certificate_is_no_client_behind_a_proxy_either(setting: Setting) -> None:
    status, text = call(setting.direct, setting.proxy, {"X-Tls-Client-Cert": quote(ca_pair()[1].decode())})
    assert (status, "CA certificate" in text) == (400, True)


@pytest.mark.parametrize("operation", ["generate", "encrypt", "decrypt", "hmac", "import"])
def test_a_body_lost_on_the_way_is_refused_behind_the_proxy(setting: Setting, operation: str) -> None:
    """nginx turns an empty body of unknown length into `Content-Length: 0`."""
    context = ssl.create_default_context(cafile=str(setting.proxied.tls.cert))
    context.load_cert_chain(setting.direct.admin.cert, setting.direct.admin.key)
    connection = http.client.HTTPSConnection("127.0.0.1", setting.proxied.port, context=context, timeout=30)
    connection.putrequest("PUT", f"/v1/key/{operation}/my-key")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    connection.send(b"0\r\n\r\n")
    response = connection.getresponse()
    assert (response.status, b"plaintext" in response.read()) == (400, False)
    connection.close()
