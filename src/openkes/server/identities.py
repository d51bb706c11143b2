"""The identity routes: who is known, and who the caller is."""

from __future__ import annotations

from openkes.crypto import timestamp
from openkes.errors import APIError, Code
from openkes.server import policies, wire
from openkes.server.state import Settings


def describe(settings: Settings, identity: str) -> bytes:
    """APIError IDENTITY_NOT_FOUND."""
    return wire.encode(_document(settings, identity))


def list_(settings: Settings, prefix: str) -> bytes:
    prefix = prefix.removesuffix("*")
    known = {*settings.identities, *([settings.admin] if settings.admin else [])}
    found = sorted(identity for identity in known if identity.startswith(prefix))
    return wire.encode({"identities": found, "continue_at": ""})


def self_describe(settings: Settings, identity: str) -> bytes:
    """For everybody who is known; with the rules of their policy, beside its name, where the client SDK reads them.
    APIError IDENTITY_NOT_FOUND."""
    document = {"identity": identity, **_document(settings, identity)}
    name = settings.identities.get(identity)
    if name is not None:
        document |= policies.rules(settings.policies[name])
    return wire.encode(document)


def _document(settings: Settings, identity: str) -> dict[str, object]:
    if identity and identity == settings.admin:
        return {"admin": True, "created_at": timestamp.to_text(settings.loaded_at)}
    name = settings.identities.get(identity)
    if name is None:
        raise APIError(Code.IDENTITY_NOT_FOUND)
    return {"policy": name, **policies.made(settings)}
