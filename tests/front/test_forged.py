"""Clients that lie in the handshake. OpenSSL would not send this; tlslite does."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from tlslite.api import X509, HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey

from tests.front.certificates import PEM, certificate, private_pem
from tests.front.conftest import Serve
from tests.front.wire import Wire, connect_tcp

VERSIONS = [pytest.param((3, 3), id="TLS-1.2"), pytest.param((3, 4), id="TLS-1.3")]
Key = rsa.RSAPrivateKey  # tlslite's ECDSA is not up to client certificates in TLS 1.3


def present(address: tuple[str, int], shown: X509, key: Key, version: tuple[int, int]) -> bytes:
    """Show a certificate, sign with a key, ask; the answer's first bytes, b"" for a refusal."""
    settings = HandshakeSettings()
    settings.minVersion = settings.maxVersion = version
    settings.certificate_compression_send = []  # tlslite would use it without having been asked to
    with connect_tcp(address) as sock:
        tls = TLSConnection(sock)
        private = parsePEMKey(private_pem(key).decode(), private=True)
        try:
            tls.handshakeClientCert(X509CertChain([shown]), private, settings=settings)
            tls.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            return bytes(tls.recv(12))
        except Exception as error:  # tlslite has no common class for what an alert may become
            assert "lert" in type(error).__name__ or "Closed" in type(error).__name__ or isinstance(error, OSError), (
                error
            )
            return b""


def shown(key: Key) -> X509:
    return X509().parse(certificate(key).public_bytes(PEM).decode())


@functools.cache
def key_number(_number: int) -> Key:
    return rsa.generate_private_key(65537, 2048)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_forgers_tool_itself_works(serve: Serve, version: tuple[int, int]) -> None:
    key = key_number(1)
    assert present(serve().address, shown(key), key, version) == b"HTTP/1.1 200"


@pytest.mark.parametrize("version", VERSIONS)
def test_somebody_elses_certificate_proves_nothing(serve: Serve, version: tuple[int, int]) -> None:
    served = serve()
    assert present(served.address, shown(key_number(1)), key_number(2), version) == b""
    assert served.doors.peers == []


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "garbage", [b"garbage", b"\x30\x03\x02\x01\x01", b"\x30\x84\xff\xff\xff\xff"], ids=["text", "no-fields", "length"]
)
def test_garbage_for_a_certificate(serve: Serve, garbage: bytes, version: tuple[int, int]) -> None:
    served = serve()
    key = key_number(1)
    liar = shown(key)
    liar.bytes = bytearray(garbage)
    assert present(served.address, liar, key, version) == b""
    assert served.doors.peers == []
    with Wire(served.address) as wire:
        assert wire.ask().status == 200


@pytest.mark.parametrize("version", VERSIONS)
def test_a_certificate_with_a_damaged_key(serve: Serve, version: tuple[int, int], tmp_path: Path) -> None:
    served = serve()
    key = key_number(1)
    liar = shown(key)
    modulus = key.public_key().public_numbers().n.to_bytes(256, "big")
    assert modulus in bytes(liar.bytes)
    liar.bytes = bytearray(bytes(liar.bytes).replace(modulus, bytes(256)))
    assert present(served.address, liar, key, version) == b""
    assert served.doors.peers == []
