"""Who may call what. The same for both doors; raises `APIError`, returns nothing.

Must not know Flask, key stores or bodies.
"""

from __future__ import annotations

import logging
from typing import Protocol

from openkes.api import Spec
from openkes.errors import APIError, Code
from openkes.identity import CertificateError, is_ca
from openkes.server.state import Settings

_log = logging.getLogger(__name__)


class Peer(Protocol):
    """What the guard reads of `openkes.front.Peer`."""

    address: str
    identity: str
    certificate: bytes | None
    chain_length: int
    state: object | None


class _Facts:
    """What is remembered on a connection: the certificate's verdict, and paths that one settings object allowed.

    Settings and paths are one tuple, replaced as a whole: two threads may serve the same connection.
    """

    __slots__ = ("allowed", "refusal")

    def __init__(self, peer: Peer) -> None:
        self.refusal = _refusal(peer)
        self.allowed: tuple[Settings | None, set[str]] = (None, set())


MAX_REMEMBERED = 256  # paths of one connection; MinIO calls about ten


def _refusal(peer: Peer) -> Code | None:
    if peer.certificate is None:
        return Code.NO_CERTIFICATE
    try:
        return Code.CA_CERTIFICATE if is_ca(peer.certificate) else None
    except CertificateError:
        return Code.BAD_CERTIFICATE


def check(settings: Settings, spec: Spec, path: str, peer: Peer) -> None:
    """`path` is unescaped and has no query. APIError NO_CERTIFICATE, CA_CERTIFICATE or NOT_ALLOWED."""
    facts = peer.state
    if not isinstance(facts, _Facts):
        facts = peer.state = _Facts(peer)
    seen, allowed = facts.allowed
    if seen is not settings:
        seen, allowed = facts.allowed = settings, set()
    if path in allowed:
        return
    route = settings.api.get(spec.path)
    if route is None or not route.skip_auth:
        if facts.refusal is not None:
            raise APIError(facts.refusal)
        if spec.policy:
            _check_policy(settings, path, peer)
    if len(allowed) < MAX_REMEMBERED:
        allowed.add(path)


def _check_policy(settings: Settings, path: str, peer: Peer) -> None:
    if peer.identity == settings.admin:
        return
    name = settings.identities.get(peer.identity)
    if name is None:
        _log.warning("refused: identity %s is in no policy (path %s, from %s)", peer.identity, path, peer.address)
        raise APIError(Code.NOT_ALLOWED)
    if not settings.policies[name].allows(path):
        _log.warning(
            "refused: policy %s does not allow path %s (identity %s, from %s)",
            name,
            path,
            peer.identity,
            peer.address,
        )
        raise APIError(Code.NOT_ALLOWED)
