# Copyright: openkes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The key server's configuration as a document, and which part of it a running server cannot take over."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

#: What SIGHUP makes a running server read again; everything else needs a restart.
RELOADABLE = ("policy", "admin", "log", "audit")


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


def restart_part(config: Mapping[str, Any]) -> str:
    """A fingerprint of what a reload does not cover. Paths of TLS files count, their contents do not."""
    fixed = {key: value for key, value in config.items() if key not in RELOADABLE}
    return hashlib.sha256(json.dumps(fixed, sort_keys=True).encode()).hexdigest()
