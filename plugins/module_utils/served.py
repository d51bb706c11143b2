# Copyright: openkes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a TLS port shows: whether somebody listens and which certificate is served. Checks no chain."""

from __future__ import annotations

import socket
import ssl

TIMEOUT = 5.0  # seconds; it is this host's own port


def taken(host: str, port: int) -> bool:
    """Whether anything listens there."""
    try:
        with socket.create_connection((host, port), timeout=TIMEOUT):
            return True
    except OSError:
        return False


def certificate(host: str, port: int) -> bytes | None:
    """DER of the certificate served now, None when there is no TLS answer."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # compared byte for byte with the file instead
    try:
        raw = socket.create_connection((host, port), timeout=TIMEOUT)
        with raw, context.wrap_socket(raw, server_hostname=host) as connection:
            return connection.getpeercert(binary_form=True)
    except (OSError, ssl.SSLError):
        return None


def leaf(pem: bytes) -> bytes | None:
    """DER of the first certificate in PEM text."""
    text = pem.decode("ascii", "replace")
    begin, end = text.find("-----BEGIN CERTIFICATE-----"), text.find("-----END CERTIFICATE-----")
    if begin < 0 or end < 0:
        return None
    return ssl.PEM_cert_to_DER_cert(text[begin : end + len("-----END CERTIFICATE-----")])
