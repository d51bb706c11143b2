"""The header of a TLS proxy: APIError, or the identity of the very key in the certificate; else it is stripped."""

from __future__ import annotations

import contextlib
import hashlib
from base64 import b64encode
from typing import Any, cast
from urllib.parse import quote

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from flask import Request

from openkes.config.schema import Proxy
from openkes.errors import APIError
from openkes.server import proxy
from openkes.server.peer import facts
from tests.front.certificates import DER, certificate, version_1
from tests.fuzz.target import Target
from tests.trials.der import spki_of

_PROXY, _OTHER = "ab" * 32, "cd" * 32
_SETTINGS = Proxy(frozenset({_PROXY}))


class _Request:
    """What `proxy.caller` reads of a request."""

    def __init__(self, value: str, identity: str) -> None:
        self.peer = proxy.Forwarded("127.0.0.1:1", identity, b"")
        self.environ: dict[str, Any] = {"openkes.peer": self.peer, "HTTP_X_TLS_CLIENT_CERT": value}


def check(data: bytes) -> None:
    """The first byte chooses: the header as it is, escaped PEM, or DER to be put into escaped PEM."""
    if data[:1] == b"\x01":
        value = quote(data[1:])
    elif data[:1] == b"\x02":
        value = quote(_pem(data[1:]))
    else:
        value = data[1:].decode("latin-1")
    stranger = _Request(value, _OTHER)
    assert proxy.caller(_SETTINGS, cast(Request, stranger)) is stranger.peer
    assert "HTTP_X_TLS_CLIENT_CERT" not in stranger.environ
    request = _Request(value, _PROXY)
    try:
        peer = proxy.caller(_SETTINGS, cast(Request, request))
    except APIError as error:
        assert error.status == 400
        return
    assert peer.certificate is not None and peer.identity not in (_PROXY, _OTHER)
    assert peer.identity == hashlib.sha256(spki_of(peer.certificate)).hexdigest()
    with contextlib.suppress(APIError):
        facts(peer).certify(peer)


def _pem(der: bytes) -> bytes:
    return b"-----BEGIN CERTIFICATE-----\n" + b64encode(der) + b"\n-----END CERTIFICATE-----\n"


_EC = ec.derive_private_key(7, ec.SECP256R1())
_LEAF = certificate(_EC).public_bytes(DER)
_SEEDS = (
    _LEAF,
    certificate(_EC, ca=True).public_bytes(DER),
    certificate(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))).public_bytes(DER),
    certificate(rsa.generate_private_key(65537, 1024)).public_bytes(DER),
    version_1(_EC),
    # Found: an unknown version of X.509 was an internal error.
    _LEAF.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x03"),
)

TARGET = Target(
    "proxy",
    check,
    seeds=(
        *(b"\x02" + der for der in _SEEDS),
        b"\x01" + _pem(_LEAF),
        b"\x01" + _pem(_LEAF) * 2,
        b"\x00" + quote(_pem(_LEAF)).encode(),
    ),
    words=(
        *(b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----", b"%0A", b"%", b"%00", b"\n", b" ", b"+"),
        *(
            b"\x02\x01\x03",
            b"\x02\x01\xff",
            b"\x30\x80",
            b"\x30\x82\xff\xff",
            b"\x30\x03\x01\x01\xff",
            b"\x55\x1d\x13",
        ),
        *(b"\xa0\x03\x02\x01\x02", b"\xa3\x02\x30\x00", b"\x1f\x81\x00", b"\x06\x03\x55\x1d\x0e", b"\x05\x00"),
    ),
)
