# Copyright: openkes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters that keep logic out of the roles' templates. Each is one call into a tested function."""

from __future__ import annotations

from typing import Any, Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.openkes.kes.plugins.plugin_utils import addresses, deployments, recap, server_config


def _guarded(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except ValueError as error:
            raise AnsibleFilterError(str(error)) from error

    return call


class FilterModule:
    """`openkes.kes.*` filters."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Names and functions."""
        return {
            "endpoints": _guarded(addresses.endpoints),
            "certificate_names": _guarded(addresses.certificate_names),
            "server_document": _guarded(server_config.document),
            "audit_section": _guarded(server_config.audit_section),
            "sealed": _guarded(server_config.sealed),
            "restart_part": _guarded(server_config.restart_part),
            "withdrawn_keys": _guarded(server_config.withdrawn),
            "restart_due": _guarded(deployments.due),
            "key_users": _guarded(deployments.key_users),
            "recap": _guarded(recap.lines),
        }
