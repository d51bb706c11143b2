"""The other end of a connection, and what is worked out about it once.

Must not know routes, policies or who may do what.
"""

from __future__ import annotations

from typing import Protocol

from openkes.errors import APIError, Code
from openkes.identity import CertificateError, is_ca
from openkes.server.audit.record import origin


class Peer(Protocol):
    """What the server reads of `openkes.front.Peer`."""

    address: str
    identity: str
    certificate: bytes | None
    chain_length: int
    state: object | None


class Facts:
    """`origin`: its address as audit lines show it. `certified`: it was seen to have a certificate that counts."""

    __slots__ = ("_refusal", "certified", "origin")

    def __init__(self, peer: Peer) -> None:
        self.origin = origin(peer.address)
        self.certified = False
        self._refusal: Code | None = None

    def certify(self, peer: Peer) -> None:
        """APIError NO_CERTIFICATE, CA_CERTIFICATE or BAD_CERTIFICATE."""
        if self.certified:
            return
        self._refusal = self._refusal or _refusal(peer)
        if self._refusal is not None:
            raise APIError(self._refusal)
        self.certified = True


def facts(peer: Peer) -> Facts:
    """Kept on the connection: reading a certificate takes longer than a call."""
    found = peer.state
    if not isinstance(found, Facts):
        found = peer.state = Facts(peer)
    return found


def _refusal(peer: Peer) -> Code | None:
    if peer.certificate is None:
        return Code.NO_CERTIFICATE
    try:
        return Code.CA_CERTIFICATE if is_ca(peer.certificate) else None
    except CertificateError:
        return Code.BAD_CERTIFICATE
