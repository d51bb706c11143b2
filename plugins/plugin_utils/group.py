# Copyright: openkes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Key servers as a group: what each told last, and when the next one may be touched. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def seconds_to_wait(hosts: list[str], hostvars: Mapping[str, Any], pause: float, now: float) -> int:
    """Whole seconds until `pause` has passed since one of `hosts` was last started, restarted or reloaded in this run.
    `now` and what the hosts noted are seconds since 1970 on the controller."""
    acted = max((float(_outcome(hostvars, host).get("acted_at") or 0) for host in hosts), default=0.0)
    left = acted + float(pause) - float(now)
    return max(0, int(left) + (left > int(left)))


def with_digest(hosts: list[str], hostvars: Mapping[str, Any]) -> list[str]:
    """Those whose running configuration is known."""
    return [host for host in hosts if _outcome(hostvars, host).get("digest")]


def _outcome(hostvars: Mapping[str, Any], host: str) -> dict[str, Any]:
    return dict(hostvars[host].get("kes_server_outcome") or {}) if host in hostvars else {}
