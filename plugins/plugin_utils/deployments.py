# Copyright: openkes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which MinIO hosts form a deployment, the unit of restart. Pure: groups and hosts are arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class DeploymentError(ValueError):
    """The inventory does not say clearly which hosts belong together; the text names them."""


def split(
    hosts: Sequence[str], children: Mapping[str, Sequence[str]], named: Mapping[str, str]
) -> list[dict[str, Any]]:
    """`[{"name", "hosts"}]` in the inventory's order.

    `hosts`: all of group `minio`. `children`: its child groups with all their hosts. `named`: hosts whose variable
    kes_minio_deployment says where they belong; it wins over the groups. Raises DeploymentError.
    """
    home: dict[str, str] = {}
    for group, members in children.items():
        for host in members:
            if host in named:
                continue
            if host in home and home[host] != group:
                raise DeploymentError(
                    f"{host} is in two child groups of minio, {home[host]} and {group}: a host belongs to one MinIO"
                    " deployment. Correct the inventory, or set kes_minio_deployment for the host."
                )
            home[host] = group
    home.update(named)
    result: dict[str, list[str]] = {}
    for host in hosts:
        result.setdefault(home.get(host, "minio"), []).append(host)
    return [{"name": name, "hosts": members} for name, members in result.items()]


def incomplete(deployments: Sequence[Mapping[str, Any]], present: Sequence[str]) -> list[str]:
    """Sentences about deployments of which only a part takes part in this run."""
    sentences = []
    for deployment in deployments:
        missing = [host for host in deployment["hosts"] if host not in present]
        if missing and len(missing) < len(deployment["hosts"]):
            sentences.append(
                f"The deployment {deployment['name']} has {len(deployment['hosts'])} hosts, and {', '.join(missing)}"
                " would be left out of this run."
            )
    return sentences


def due(hosts: Sequence[str], hostvars: Mapping[str, Any]) -> list[str]:
    """Why the deployment of these hosts must be restarted, each reason once with its hosts; empty when not."""
    reasons: dict[str, list[str]] = {}
    for host in hosts:
        result = hostvars[host].get("kes_minio_environment_result") or {}
        state = hostvars[host].get("kes_minio_state") or {}
        found = [str(reason) for reason in result.get("restart_due") or []]
        if state.get("unseen"):
            found.append(f"MinIO runs without the present {', '.join(state['unseen'])}")
        for reason in found:
            reasons.setdefault(reason, []).append(host)
    return [f"{reason} ({', '.join(names)})" for reason, names in reasons.items()]


def key_users(hostvars: Mapping[str, Any], name: str) -> list[str]:
    """Hosts whose MinIO used the master key `name` when the run looked at them first."""
    states = {host: hostvars[host].get("kes_minio_state") or {} for host in hostvars}
    return sorted(host for host, state in states.items() if state.get("key_in_use") == name)
