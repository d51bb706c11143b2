# Copyright: openkes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Under which names and addresses key servers are reached: endpoints for MinIO, names for certificates."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

PORT = 7373
#: Every key server may be asked from its own host.
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def advertised(host: str, variables: Mapping[str, Any]) -> str:
    """The name or address that MinIO hosts use: told by the operator, else the inventory name."""
    return str(variables.get("kes_server_advertise") or host)


def endpoints(hosts: list[str], hostvars: Mapping[str, Any], controller: bool = False) -> list[str]:
    """`https://HOST:PORT` of each key server, in the inventory's order: the same on every MinIO host.

    With `controller`, as Ansible itself reaches them: `ansible_host` may mean nothing to MinIO hosts.
    """
    urls = []
    for host in hosts:
        variables = hostvars[host]
        name = advertised(host, variables)
        if controller and not variables.get("kes_server_advertise"):
            name = str(variables.get("ansible_host") or host)
        try:
            if ipaddress.ip_address(name).version == 6:
                name = f"[{name}]"
        except ValueError:
            pass
        urls.append(f"https://{name}:{int(variables.get('kes_server_port') or PORT)}")
    return urls


def certificate_names(host: str, variables: Mapping[str, Any], more: list[str]) -> list[str]:
    """Every name and address under which this key server is used, once each, names before addresses."""
    facts = variables.get("ansible_facts") or {}
    candidates = [
        host,
        advertised(host, variables),
        variables.get("ansible_host"),
        facts.get("hostname"),
        facts.get("fqdn"),
        (facts.get("default_ipv4") or {}).get("address"),
        *LOOPBACK,
        *more,
    ]
    names: list[str] = []
    addresses: list[str] = []
    for candidate in candidates:
        text = str(candidate or "").strip()
        try:
            text = str(ipaddress.ip_address(text))
        except ValueError:
            if _is_name(text) and text.lower() not in names:
                names.append(text.lower())
            continue
        if text not in addresses:
            addresses.append(text)
    return names + addresses


def _is_name(text: str) -> bool:
    """A host name a certificate can hold: inventory aliases may be anything."""
    labels = text.split(".")
    return 0 < len(text) <= 253 and all(
        label and len(label) <= 63 and label.replace("-", "").replace("_", "").isalnum() and label.isascii()
        for label in labels
    )
