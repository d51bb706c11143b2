# Copyright: openkes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The arguments that the modules for MinIO hosts share; the doc fragment `minio_host` describes them."""

from __future__ import annotations

from typing import Any, Dict


def arguments() -> Dict[str, Any]:
    """A fresh argument spec."""
    return {
        "endpoints": {"type": "list", "elements": "str", "required": True},
        "key_name": {"type": "str", "required": True, "no_log": False},
        "client_key": {"type": "path", "required": True, "no_log": False},
        "client_certificate": {"type": "path", "required": True},
        "trust": {"type": "path", "required": True},
        "environment": {"type": "str", "choices": ["file", "dropin"], "default": "file"},
        "environment_file": {"type": "path", "default": "/etc/default/minio"},
        "service": {"type": "str", "default": "minio"},
        "restart_marker": {"type": "path", "default": "/etc/openkes/restart-pending"},
    }
