# Copyright: openkes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters that keep logic out of the roles' templates. Each is one call into a tested function."""

from __future__ import annotations

from typing import Any, Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.openkes.kes.plugins.plugin_utils import (
    addresses,
    deployments,
    group,
    keystore,
    recap,
    server_config,
)


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
            "keystore_kind": _guarded(keystore.kind),
            "keystore_extras": _guarded(keystore.extras),
            "keystore_given": _guarded(keystore.given),
            "credentials": _guarded(keystore.credentials),
            "keystore_certificates": _guarded(keystore.certificate_files),
            "keystore_secrets": _guarded(keystore.secret_files),
            "loaded_credentials": _guarded(keystore.loaded),
            "check_command": _guarded(keystore.check_command),
            "with_files": _guarded(keystore.with_files),
            "restart_part": _guarded(server_config.restart_part),
            "withdrawn_keys": _guarded(server_config.withdrawn),
            "restart_due": _guarded(deployments.due),
            "key_users": _guarded(deployments.key_users),
            "seconds_to_wait": _guarded(group.seconds_to_wait),
            "with_digest": _guarded(group.with_digest),
            "recap": _guarded(recap.lines),
        }
