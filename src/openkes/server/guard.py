"""Who may call what. The same for both doors; raises `APIError`, returns nothing.

Must not know Flask, key stores or bodies.
"""

from __future__ import annotations

import logging

from openkes.api import Spec
from openkes.errors import APIError, Code
from openkes.server.peer import Peer, facts
from openkes.server.state import Settings

_log = logging.getLogger(__name__)


def check(settings: Settings, spec: Spec, path: str, peer: Peer) -> None:
    """`path` is unescaped and has no query. APIError NO_CERTIFICATE, CA_CERTIFICATE, BAD_CERTIFICATE or NOT_ALLOWED."""
    route = settings.api.get(spec.path)
    if route is not None and route.skip_auth:
        return
    facts(peer).certify(peer)
    if spec.policy:
        _check_policy(settings, path, peer)


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
