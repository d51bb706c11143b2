# Copyright: openkes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Makes the authority and the admin identity on the controller, in the controller's own process."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.openkes.kes.plugins.plugin_utils.admin import admin_state, keep_admin
from ansible_collections.openkes.kes.plugins.plugin_utils.authority import Authority, AuthorityError


class ActionModule(ActionBase):  # type: ignore[misc]
    """Nothing runs on a managed host."""

    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, arguments = self.validate_argument_spec(
            argument_spec={
                "folder": {"type": "path", "required": True},
                "part": {"type": "str", "choices": ["ca", "admin"], "default": "ca"},
                "common_name": {"type": "str", "default": "openkes authority"},
                "days": {"type": "int", "default": 3650},
                "password": {"type": "str", "no_log": True},
            }
        )
        now = dt.datetime.now(dt.timezone.utc)
        authority = Authority(arguments["folder"], arguments["password"])
        keep = self._ca if arguments["part"] == "ca" else self._admin
        try:
            result.update(keep(authority, arguments, now))
        except AuthorityError as error:
            raise AnsibleActionFail(str(error)) from None
        except OSError as error:
            raise AnsibleActionFail(
                f"The folder {authority.folder} on the controller cannot be used: {error.strerror} ({error.filename})."
            ) from None
        return result

    def _ca(self, authority: Authority, arguments: dict[str, Any], now: dt.datetime) -> dict[str, Any]:
        present = authority.certificate.exists() and authority.key.exists()
        if self._task.check_mode:
            changed = not present
        else:
            changed = authority.prepare() | authority.create(arguments["common_name"], arguments["days"], now)
        facts: dict[str, Any] = {"changed": changed, "certificate": str(authority.certificate)}
        if authority.certificate.exists():
            end = authority.load(now)[1].not_valid_after_utc
            facts.update(not_after=end.isoformat(), days_left=(end - now).days)
        if changed:
            facts["diff"] = {"prepared": f"+ authority {authority.certificate}, its key beside it\n"}
        return facts

    def _admin(self, authority: Authority, arguments: dict[str, Any], now: dt.datetime) -> dict[str, Any]:
        state = admin_state(authority, now)
        changed = state.reason is not None
        if changed and not self._task.check_mode:
            authority.prepare()
            state = keep_admin(authority, arguments["common_name"], arguments["days"], now)
        facts: dict[str, Any] = {
            "changed": changed,
            "identity": state.identity,
            "key": str(Path(authority.folder) / "admin.key"),
            "certificate": str(Path(authority.folder) / "admin.crt"),
        }
        if changed:
            facts["diff"] = {"prepared": f"+ admin identity in {authority.folder}\n"}
        return facts
