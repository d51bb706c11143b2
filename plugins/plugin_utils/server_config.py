# Copyright: openkes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The key server's configuration as a document, and which part of it a running server cannot take over."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import yaml
from ansible_collections.openkes.kes.plugins.plugin_utils.keystore import SEAL

#: What SIGHUP makes a running server read again; everything else needs a restart.
RELOADABLE = ("policy", "admin", "log", "audit", "deletion")


def document(base: Mapping[str, Any], policies: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """The whole configuration: what the role knows, the policies, and what the operator adds at the top level.

    Raises ValueError when the operator's part would silently replace something the role manages.
    """
    managed = {key: value for key, value in base.items() if value not in (None, "", {})}
    clash = sorted(set(managed) & set(extra) | ({"policy"} & set(extra)))
    if clash:
        raise ValueError(
            f"kes_server_extra_config sets {', '.join(clash)}, which the role manages itself: use the role's own"
            " variables"
        )
    result = {**managed, **extra}
    if policies:
        result["policy"] = {name: dict(policies[name]) for name in sorted(policies)}
    return result


def audit_section(output: str, mode: str, chain: str, file: str, socket: str) -> dict[str, str]:
    """The section `audit`. A setting of another output is an error of the server's, so only what belongs is written."""
    section = {"output": output, "mode": mode}
    if output == "file":
        section["file"] = file
    if output == "syslog":
        section["socket"] = socket
    return section if chain == "auto" else {**section, "chain": chain}


def sealed(keystore: Mapping[str, Any], key: str, supervisor: str) -> dict[str, Any]:
    """The section `keystore` with the sealing key from the file `key`, "" for none.

    Raises ValueError for a store that cannot be sealed, or is told so twice.
    """
    if not key:
        return dict(keystore)
    fs = keystore.get("fs")
    if fs is None:
        raise ValueError("kes_server_seal_key is set, and only the key store fs can be sealed")
    if "seal" in fs:
        raise ValueError("kes_server_keystore has fs.seal, and kes_server_seal_key is set: give one of them")
    source = {"credential": SEAL} if supervisor == "systemd" else {"file": key}
    return {**keystore, "fs": {**fs, "seal": {"key": source}}}


def restart_part(config: Mapping[str, Any]) -> str:
    """A fingerprint of what a reload does not cover. Paths of TLS files count, their contents do not."""
    fixed = {key: value for key, value in config.items() if key not in RELOADABLE}
    return hashlib.sha256(json.dumps(fixed, sort_keys=True).encode()).hexdigest()


def withdrawn(old: str, new: Mapping[str, Any]) -> list[str]:
    """Names of keys that a policy lets its identities decrypt with today and would not any more.

    `old` is the section `policy` of the present configuration ("" when there is none). What was encrypted with such a
    key could not be read. Policies that would be gone count as well; a policy without identities does not.
    """
    try:
        present = yaml.safe_load(old) or {}
    except (ValueError, yaml.YAMLError):
        return []  # it is replaced because it is broken
    policies = present.get("policy") if isinstance(present, Mapping) else None
    lost = []
    for name, policy in (policies or {}).items():
        if not policy.get("identities"):
            continue
        allowed = [str(rule) for rule in (new.get("policy") or {}).get(name, {}).get("allow") or []]
        for rule in policy.get("allow") or []:
            if str(rule).startswith(_DECRYPT) and not any(_covers(other, str(rule)) for other in allowed):
                lost.append(str(rule)[len(_DECRYPT) :])
    return sorted(set(lost))


_DECRYPT = "/v1/key/decrypt/"


def _covers(rule: str, other: str) -> bool:
    return rule == other or (rule.endswith("*") and other.startswith(rule[:-1]))
