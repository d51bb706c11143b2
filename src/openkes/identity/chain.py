"""Whether a CA vouches for a certificate that did not come in a handshake: one that a TLS proxy forwards.

Owns the verdict only; the engines check what comes in a handshake by themselves. Must not know HTTP or proxies.
"""

from __future__ import annotations

import ssl

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import crypto

from openkes.identity.certificate import extensions, load_certificate
from openkes.identity.failures import CertificateError

_FOR_CLIENTS = {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}


class Authority:
    """The certificates that sign clients. Thread-safe."""

    def __init__(self, pem: bytes) -> None:
        """b"": the system's. Every certificate in `pem` counts as a root, as with the engines."""
        self._store = crypto.X509Store()
        self._store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
        if not pem:
            paths = ssl.get_default_verify_paths()
            if paths.cafile or paths.capath:
                self._store.load_locations(paths.cafile, paths.capath)
            return
        for certificate in x509.load_pem_x509_certificates(pem):
            self._store.add_cert(crypto.X509.from_cryptography(certificate))

    def check(self, der: bytes) -> None:
        """Now, and as a client. CertificateError says why not."""
        certificate = load_certificate(der)
        try:
            usage = extensions(certificate).get_extension_for_class(x509.ExtendedKeyUsage).value
        except x509.ExtensionNotFound:
            usage = None
        if usage is not None and _FOR_CLIENTS.isdisjoint(usage):
            raise CertificateError("it is not for clients (extended key usage)")
        try:
            # A context of its own for each: the store is shared and only read.
            crypto.X509StoreContext(self._store, crypto.X509.from_cryptography(certificate)).verify_certificate()
        except (crypto.X509StoreContextError, crypto.Error) as error:
            raise CertificateError(str(error) or "it cannot be verified") from None
