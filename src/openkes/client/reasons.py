"""From the exceptions of urllib3, ssl and sockets to one `Reason` and one sentence."""

from __future__ import annotations

import errno
import socket
import ssl

from openkes.client.failures import Reason

# OpenSSL's names for what the peer said or what came instead of TLS
_TLS = {
    "WRONG_VERSION_NUMBER": (Reason.NOT_TLS, "what listens there does not speak TLS"),
    "HTTP_REQUEST": (Reason.NOT_TLS, "what listens there does not speak TLS"),
    "RECORD_LAYER_FAILURE": (Reason.NOT_TLS, "what listens there does not speak TLS"),
    "PACKET_LENGTH_TOO_LONG": (Reason.NOT_TLS, "what listens there does not speak TLS"),
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": (
        Reason.CLIENT_CERTIFICATE_MISSING,
        "the server requires a client certificate",
    ),
}
_REFUSALS = (
    "BAD_CERTIFICATE",
    "UNKNOWN_CA",
    "CERTIFICATE_UNKNOWN",
    "UNSUPPORTED_CERTIFICATE",
    "ACCESS_DENIED",
)
_NAME_MISMATCH = (62, 64)  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
_EXPIRED = (9, 10)  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED


# The first class that fits wins
_SIMPLE: tuple[tuple[type[BaseException], Reason, str], ...] = (
    (socket.gaierror, Reason.UNKNOWN_HOST, "the host name cannot be resolved"),
    (ConnectionRefusedError, Reason.REFUSED, "connection refused"),
    (TimeoutError, Reason.TIMEOUT, "no answer in time"),
    (ConnectionError, Reason.CLOSED, "the server closed the connection without an answer"),
)


def reason_of(error: BaseException) -> tuple[Reason, str]:
    """The most telling cause in the chain of `error`."""
    for cause in _chain(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _of_verification(cause)
        if isinstance(cause, ssl.SSLError):
            return _of_tls(cause)
        for kind, reason, text in _SIMPLE:
            if isinstance(cause, kind):
                return reason, text
        if isinstance(cause, OSError) and cause.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH):
            return Reason.UNREACHABLE, "no route to the host"
    return _of_urllib3(error)


def _of_urllib3(error: BaseException) -> tuple[Reason, str]:
    from urllib3 import exceptions  # noqa: PLC0415

    if isinstance(error, exceptions.TimeoutError):
        return Reason.TIMEOUT, "no answer in time"
    if isinstance(error, exceptions.NameResolutionError):
        return Reason.UNKNOWN_HOST, "the host name cannot be resolved"
    if isinstance(error, exceptions.ProtocolError):
        return Reason.NOT_HTTP, "the answer is not HTTP"
    return Reason.OTHER, str(error)


def _of_verification(error: ssl.SSLCertVerificationError) -> tuple[Reason, str]:
    detail = error.verify_message
    if error.verify_code in _NAME_MISMATCH:
        return Reason.WRONG_NAME, f"the server's certificate is for another name: {detail}"
    if error.verify_code in _EXPIRED:
        return Reason.SERVER_EXPIRED, f"the server's certificate cannot be used: {detail}"
    return Reason.UNTRUSTED, f"the server's certificate is not trusted: {detail}"


def _of_tls(error: ssl.SSLError) -> tuple[Reason, str]:
    if isinstance(error, ssl.SSLEOFError):
        return Reason.CLOSED, "the server closed the connection during the TLS handshake"
    name = error.reason or ""
    if name in _TLS:
        return _TLS[name]
    if "ALERT" in name and "EXPIRED" in name:
        return Reason.CLIENT_CERTIFICATE_REFUSED, "the server refuses the client certificate: it has expired"
    if "ALERT" in name and any(refusal in name for refusal in _REFUSALS):
        what = name.partition("ALERT_")[2].replace("_", " ").lower()
        return Reason.CLIENT_CERTIFICATE_REFUSED, f"the server refuses the client certificate: {what}"
    return Reason.OTHER, f"the TLS handshake failed: {name.replace('_', ' ').lower() or error}"


def _chain(error: BaseException) -> list[BaseException]:
    """`error` and what it wraps, innermost first."""
    found: list[BaseException] = []
    todo: list[BaseException | None] = [error]
    while todo:
        cause = todo.pop(0)
        if cause is not None and cause not in found:
            found.append(cause)
            todo += [cause.__cause__, cause.__context__]
            todo += [a for a in cause.args if isinstance(a, BaseException)]
    return found[::-1]
