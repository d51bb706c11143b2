"""Callers behind a TLS proxy: whose certificate counts.

A listed proxy forwards the client's certificate in a header; then that one counts, and the proxy's own does not.
From everybody else the header is stripped: nobody becomes somebody by writing a header.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from cryptography.hazmat.primitives.serialization import Encoding
from flask import Request

from openkes.config.schema import Proxy
from openkes.errors import APIError, Code
from openkes.identity import CertificateError, identity_of_certificate, load_certificate
from openkes.server.guard import Peer

MAX_HEADER = 32 * 1024  # characters; an RSA-4096 certificate is about 3,000 when escaped
_REMEMBERED = 4096  # clients behind all proxies; parsing a certificate takes 50 µs


@dataclass(slots=True)
class Forwarded:
    """Whom a proxy speaks for. Like `openkes.front.Peer`, for the time of a certificate rather than a connection."""

    address: str
    identity: str
    certificate: bytes | None
    chain_length: int = 1
    state: object | None = None


def caller(proxy: Proxy, request: Request) -> Peer:
    """The peer whose certificate counts. APIError NOT_FORWARDED or BAD_FORWARDED, from a proxy only."""
    peer: Peer = request.environ["openkes.peer"]
    value = request.environ.pop(_environment_name(proxy.header), "")
    if peer.identity not in proxy.identities or not peer.identity:
        return peer
    if not value:
        raise APIError(Code.NOT_FORWARDED, header=proxy.header)
    try:
        return _forwarded(value, peer.address)
    except CertificateError:
        raise APIError(Code.BAD_FORWARDED, header=proxy.header) from None


def _environment_name(header: str) -> str:
    return "HTTP_" + header.upper().replace("-", "_")


@lru_cache(_REMEMBERED)
def _forwarded(value: str, address: str) -> Forwarded:
    if len(value) > MAX_HEADER:
        raise CertificateError("the header is too long")
    # The header is exactly one certificate: a second one could belong to somebody else.
    pem = unquote_to_bytes(value)
    if pem.count(b"-----BEGIN CERTIFICATE-----") != 1 or not pem.lstrip().startswith(b"-----BEGIN CERTIFICATE-----"):
        raise CertificateError("the header is not one PEM certificate")
    der = load_certificate(pem).public_bytes(Encoding.DER)
    return Forwarded(address, identity_of_certificate(der), der)
