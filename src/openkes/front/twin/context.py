"""From TLSFiles to an OpenSSL context, and from a finished handshake to a Peer."""

from __future__ import annotations

import ipaddress
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from OpenSSL import SSL, crypto

from openkes.front.tls import check
from openkes.front.types import CannotRun, Peer, TLSFiles, TLSFilesError
from openkes.identity import CertificateError, identity_of_certificate


def make_context(files: TLSFiles) -> SSL.Context:
    """The context of new connections. TLSFilesError, CannotRun."""
    check(files)
    try:
        return _make_context(files)
    except MemoryError:  # of cffi: no memory can be had that is written first and executed then
        raise CannotRun(
            "the pure Python engine needs to make memory executable, for OpenSSL's callbacks, and this process may not",
            "take MemoryDenyWriteExecute= out of the systemd unit (SELinux: allow execmem), or use the compiled engine",
        ) from None


def _make_context(files: TLSFiles) -> SSL.Context:
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    # No resumption, as the engine: each connection proves its key anew.
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_COMPRESSION)
    context.set_session_id(b"openkes")
    context.set_alpn_select_callback(_choose)
    leaf, *rest = x509.load_pem_x509_certificates(files.chain)
    key = serialization.load_pem_private_key(files.key, None)
    try:
        context.use_certificate(leaf)
        for certificate in rest:
            context.add_extra_chain_cert(certificate)
        context.use_privatekey(key)  # type: ignore[arg-type]  # check() admits only kinds it takes
        context.check_privatekey()
        _trust(context, files.client_ca)
    except SSL.Error:
        raise TLSFilesError("OpenSSL refuses the certificate or the private key") from None
    return context


def _trust(context: SSL.Context, client_ca: bytes | None) -> None:
    if client_ca is None:
        # Whatever the certificate says; OpenSSL checks the handshake's signature in any case.
        context.set_verify(SSL.VERIFY_PEER, lambda *_: True)
        return
    if client_ca == b"":
        context.set_default_verify_paths()
    store = context.get_cert_store()
    if store is not None and client_ca:
        for certificate in x509.load_pem_x509_certificates(client_ca):
            store.add_cert(crypto.X509.from_cryptography(certificate))
    context.set_verify(SSL.VERIFY_PEER, lambda _connection, _certificate, _error, _depth, good: bool(good))


def _choose(_connection: SSL.Connection, offered: list[bytes]) -> Any:
    return b"http/1.1" if b"http/1.1" in offered else SSL.NO_OVERLAPPING_PROTOCOLS


def make_peer(connection: SSL.Connection, address: tuple[str, int]) -> Peer:
    """The peer of a connection whose handshake is done.

    OpenSSL reads certificates that cannot be read here: such a peer has a certificate and the identity of nobody,
    and the application tells it so.
    """
    leaf = connection.get_peer_certificate()
    host, port = _text(address[0]), address[1]
    if leaf is None:
        return Peer(f"{host}:{port}", "", None, 0)
    der = crypto.dump_certificate(crypto.FILETYPE_ASN1, leaf)
    above = connection.get_peer_cert_chain() or []  # on the server's side: without the leaf
    try:
        identity = identity_of_certificate(der)
    except CertificateError:
        identity = ""
    return Peer(f"{host}:{port}", identity, der, 1 + len(above))


def _text(host: str) -> str:
    address = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        return str(address.ipv4_mapped) if address.ipv4_mapped else f"[{address}]"
    return str(address)
