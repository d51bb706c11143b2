# Copyright: openkes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The arguments that the modules which talk to a key server share."""

from __future__ import annotations

from typing import Any, Dict

from ansible_collections.openkes.kes.plugins.module_utils.kes import Connection


def arguments() -> Dict[str, Any]:
    """A fresh argument spec; the doc fragment `connection` describes it."""
    return {
        "client_certificate": {"type": "path", "required": True},
        "client_key": {"type": "path", "required": True, "no_log": False},
        "trust": {"type": "path"},
        "validate_certs": {"type": "bool", "default": True},
        "timeout": {"type": "float", "default": 10.0},
    }


def connection(endpoint: str, params: Dict[str, Any]) -> Connection:
    """One endpoint with the module's parameters."""
    return Connection(
        endpoint,
        params["client_certificate"],
        params["client_key"],
        params["trust"],
        params["timeout"],
        params["validate_certs"],
    )
