"""The policy routes: what the configuration says, as JSON. Policies change by the configuration only."""

from __future__ import annotations

from openkes.crypto import timestamp
from openkes.errors import APIError, Code
from openkes.policy import Policy
from openkes.server import wire
from openkes.server.state import Settings


def describe(settings: Settings, name: str) -> bytes:
    """APIError POLICY_NOT_FOUND."""
    find(settings, name)
    return wire.encode({"name": name, **made(settings)})


def read(settings: Settings, name: str) -> bytes:
    """APIError POLICY_NOT_FOUND."""
    policy = find(settings, name)
    return wire.encode({"name": name, **rules(policy), **made(settings)})


def list_(settings: Settings, prefix: str) -> bytes:
    prefix = prefix.removesuffix("*")
    names = sorted(name for name in settings.policies if name.startswith(prefix))
    return wire.encode({"names": names, "continue_at": ""})


def find(settings: Settings, name: str) -> Policy:
    try:
        return settings.policies[name]
    except KeyError:
        raise APIError(Code.POLICY_NOT_FOUND) from None


def rules(policy: Policy) -> dict[str, dict[str, dict[str, object]]]:
    """`allow` and `deny` as upstream shows them: an object per path; absent where there is none."""
    kinds = {"allow": policy.allow, "deny": policy.deny}
    return {kind: {rule: {} for rule in sorted(paths)} for kind, paths in kinds.items() if paths}


def made(settings: Settings) -> dict[str, str]:
    """When and by whom: the moment the configuration was read, by the admin."""
    when = {"created_at": timestamp.to_text(settings.loaded_at)}
    return {**when, "created_by": settings.admin} if settings.admin else when
