"""Callers behind a TLS proxy: whose certificate counts.

A listed proxy forwards the client's certificate in a header; then that one counts, and the proxy's own does not.
From everybody else the header is stripped: nobody becomes somebody by writing a header.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from cryptography.hazmat.primitives.serialization import Encoding
from flask import Request

from openkes.config.schema import Proxy
from openkes.errors import APIError, Code
from openkes.identity import CertificateError, identity_of_certificate, load_certificate
from openkes.identity.chain import Authority
from openkes.server.peer import Peer

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


def caller(proxy: Proxy, request: Request, authority: Authority | None = None, optional: bool = False) -> Peer:
    """The peer whose certificate counts. `authority`: who must vouch for it (`tls.auth: on`). `optional`: the route
    needs no certificate. APIError NOT_FORWARDED, BAD_FORWARDED or UNTRUSTED_FORWARDED, from a proxy only."""
    peer: Peer = request.environ["openkes.peer"]
    value = request.environ.pop(_environment_name(proxy.header), "")
    try:
        return _counted(proxy, value, peer, authority)
    except APIError:
        if optional:
            return Forwarded(peer.address, "", None, 0)
        raise


def identity(proxy: Proxy, headers: Iterable[tuple[str, str]], peer: Peer, authority: Authority | None = None) -> str:
    """Of the caller, as far as it can be told; the proxy's own where it forwards nothing that counts. Names of
    `headers` in lower case."""
    value = ",".join(value for name, value in headers if name == proxy.header.lower())
    try:
        return _counted(proxy, value, peer, authority).identity
    except APIError:
        return peer.identity


def _counted(proxy: Proxy, value: str, peer: Peer, authority: Authority | None) -> Peer:
    """`value`: what the header says, "" without one. APIError, from a proxy only."""
    if peer.identity not in proxy.identities or not peer.identity:
        return peer
    header = proxy.header
    if not value:
        raise APIError(Code.NOT_FORWARDED, header=header)
    try:
        client = _forwarded(value, peer.address)
    except CertificateError:
        raise APIError(Code.BAD_FORWARDED, header=header) from None
    if authority is not None and client.certificate is not None:
        try:
            authority.check(client.certificate)  # each time: certificates expire
        except CertificateError as error:
            raise APIError(Code.UNTRUSTED_FORWARDED, header=header, why=error) from None
    return client


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
