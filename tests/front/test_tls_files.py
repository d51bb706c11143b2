"""Files that cannot be used: one sentence each, which says what is wrong, and nothing of what is in them."""

from __future__ import annotations

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

from openkes import front
from openkes.front import TLSFiles, TLSFilesError
from tests.front.certificates import PEM, certificate, private_pem
from tests.front.conftest import Serve, files_of
from tests.front.wire import Wire

P256 = ec.generate_private_key(ec.SECP256R1())
P521 = ec.generate_private_key(ec.SECP521R1())
WEAK = rsa.generate_private_key(65537, 1024)


def pem(key: object) -> bytes:
    return certificate(key).public_bytes(PEM)  # type: ignore[arg-type]


GOOD = pem(P256), private_pem(P256)
DAMAGED = GOOD[0].replace(b"MII", b"AAA", 1)
BAD = [
    pytest.param(b"", GOOD[1], None, "the certificate file is empty", id="empty-certificate"),
    pytest.param(GOOD[0], b"\n", None, "the private key file is empty", id="empty-key"),
    pytest.param(GOOD[1], GOOD[0], None, "holds no PEM certificate but a private key", id="swapped"),
    pytest.param(GOOD[0], GOOD[0], None, "holds no PEM private key but a certificate", id="two-certificates"),
    pytest.param(b"hello", GOOD[1], None, "holds no PEM certificate but something else", id="no-pem"),
    pytest.param(GOOD[0], b"hello", None, "holds no PEM private key but something else", id="no-pem-key"),
    pytest.param(
        GOOD[0][:200] + b"\n-----END CERTIFICATE-----\n", GOOD[1], None, "certificate file is damaged", id="cut"
    ),
    pytest.param(
        GOOD[0], GOOD[1][:80] + b"\n-----END PRIVATE KEY-----\n", None, "private key file is damaged", id="cut-key"
    ),
    pytest.param(GOOD[0], private_pem(P256, b"password"), None, "the private key is encrypted", id="encrypted"),
    pytest.param(pem(P521), GOOD[1], None, "do not belong together", id="mismatch"),
    pytest.param(pem(P521), private_pem(P521), None, "of a kind that TLS clients refuse", id="P-521"),
    pytest.param(pem(WEAK), private_pem(WEAK), None, "of a kind that TLS clients refuse", id="RSA-1024"),
    pytest.param(*GOOD, b"hello", "client CA file holds no PEM certificate", id="client-ca"),
    pytest.param(
        *GOOD, GOOD[0][:200] + b"\n-----END CERTIFICATE-----\n", "client CA file is damaged", id="cut-client-ca"
    ),
]


@pytest.mark.parametrize(("chain", "key", "client_ca", "text"), BAD)
def test_what_cannot_be_used_is_named(
    engine: bool, chain: bytes, key: bytes, client_ca: bytes | None, text: str
) -> None:
    with pytest.raises(TLSFilesError, match=text) as caught:
        front.start("127.0.0.1", 0, TLSFiles(chain, key, client_ca), None, None, engine=engine)  # type: ignore[arg-type]
    lines = [line for line in (chain + key).decode().splitlines() if len(line) > 20 and "-----" not in line]
    assert not any(line in str(caught.value) for line in lines)


def test_a_repr_shows_no_key() -> None:
    assert repr(TLSFiles(*GOOD)) == f"TLSFiles(chain={len(GOOD[0])} bytes, key={len(GOOD[1])} bytes)"


@pytest.mark.parametrize("kind", ["P-256", "P-384", "RSA-2048", "Ed25519"])
def test_kinds_of_server_keys(serve: Serve, kind: str) -> None:
    from tests.front.test_peer import key_of_kind

    key = key_of_kind(kind)
    with Wire(serve(tls=TLSFiles(pem(key), private_pem(key))).address) as wire:
        assert wire.ask().status == 200


def test_text_around_the_pem_is_no_fault(serve: Serve) -> None:
    chain = b"subject=/CN=localhost\n" + GOOD[0] + b"\nsome notes\n"
    with Wire(serve(tls=TLSFiles(chain, GOOD[1])).address) as wire:
        assert wire.ask().status == 200


def test_the_whole_chain_is_sent(serve: Serve) -> None:
    import ssl

    from tests.front.wire import connect_tcp

    root = trustme.CA()
    files = files_of(root.create_child_ca())
    context = ssl.create_default_context(cadata=root.cert_pem.bytes().decode())
    with connect_tcp(serve(tls=files).address) as sock, context.wrap_socket(sock, server_hostname="localhost") as tls:
        assert tls.version() == "TLSv1.3"


def test_a_certificate_out_of_its_dates_is_a_warning(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    expired = certificate(P256, days=(-3, -1)).public_bytes(PEM)
    with Wire(serve(tls=TLSFiles(expired, GOOD[1])).address) as wire:
        assert wire.ask().status == 200
    assert "clients will refuse it" in caplog.text


def test_a_key_of_dsa_is_refused(engine: bool) -> None:
    key = dsa.generate_private_key(1024)
    with pytest.raises(TLSFilesError, match="of a kind that TLS clients refuse"):
        files = TLSFiles(GOOD[0], private_pem(key))  # type: ignore[arg-type]
        front.start("127.0.0.1", 0, files, None, None, engine=engine)  # type: ignore[arg-type]
