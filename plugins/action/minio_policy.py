# Copyright: openkes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Puts together the policy of all MinIO hosts from the copies of their certificates on the controller."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.openkes.kes.plugins.plugin_utils.authority import Authority, identity
from ansible_collections.openkes.kes.plugins.plugin_utils.policy import rules
from cryptography import x509

UNKNOWN = "0" * 64  # in check mode, for a host whose key is yet to be made


class ActionModule(ActionBase):  # type: ignore[misc]
    """Nothing runs on a managed host."""

    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, arguments = self.validate_argument_spec(
            argument_spec={
                "hosts": {"type": "list", "elements": "str", "required": True},
                "folder": {"type": "path", "required": True},
                "mode": {"type": "str", "choices": ["least", "root"], "default": "least"},
                "name": {"type": "str", "default": "minio"},
                "keys": {"type": "list", "elements": "str", "required": True, "no_log": False},
                "create": {"type": "bool", "default": False},
                "more": {"type": "list", "elements": "str", "default": []},
            }
        )
        result.update(changed=False, policies={}, predicted=[])
        if arguments["mode"] == "root" or not arguments["hosts"]:
            return result  # the admin identity needs no policy, and must be in none
        identities, missing = _identities(Authority(arguments["folder"]), arguments["hosts"])
        if missing and not self._task.check_mode:
            raise AnsibleActionFail(
                f"The identity of {', '.join(missing)} is not known on this controller, so the key servers would"
                " refuse"
                " it. Nothing was changed on the key servers. Run once without --limit."
            )
        policy = {
            "allow": rules(arguments["keys"], arguments["create"], arguments["more"]),
            "identities": sorted({*identities, *([UNKNOWN] if missing else [])}),
        }
        result.update(policies={arguments["name"]: policy}, predicted=missing)
        return result


def _identities(authority: Authority, hosts: list[str]) -> tuple[list[str], list[str]]:
    found, missing = [], []
    for host in hosts:
        path = authority.issued(host, "client")
        if path.exists():
            found.append(identity(x509.load_pem_x509_certificate(path.read_bytes()).public_key()))
        else:
            missing.append(host)
    return found, missing
