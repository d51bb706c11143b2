"""What can go wrong between the client and a server. Texts name the cause; the next step is the caller's."""

from __future__ import annotations

from enum import Enum, auto

from openkes.errors import OperatorError


class ClientError(OperatorError):
    """Any failure of a call."""


class AnswerError(ClientError):
    """The server answered with an error. `from_kes` is False when no key server would answer like that."""

    def __init__(self, status: int, message: str, method: str, path: str, *, from_kes: bool = True) -> None:
        self.status = status
        self.message = message
        self.method = method
        self.path = path
        self.from_kes = from_kes
        super().__init__(message)


class CredentialsError(ClientError):
    """The client's own key, certificate or API key cannot be used."""


class Reason(Enum):
    """Why there was no answer."""

    REFUSED = auto()
    UNKNOWN_HOST = auto()
    UNREACHABLE = auto()
    TIMEOUT = auto()
    NOT_TLS = auto()
    NOT_HTTP = auto()
    UNTRUSTED = auto()
    WRONG_NAME = auto()
    SERVER_EXPIRED = auto()
    CLIENT_CERTIFICATE_MISSING = auto()
    CLIENT_CERTIFICATE_REFUSED = auto()
    CLOSED = auto()
    OTHER = auto()


class NoAnswer(ClientError):
    """The call did not end in an answer of the server."""

    def __init__(self, reason: Reason, text: str) -> None:
        self.reason = reason
        super().__init__(text)
