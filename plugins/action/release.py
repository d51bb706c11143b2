# Copyright: openkes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's half of `release`: name the release, send its wheels when the host has not got them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.openkes.kes.plugins.plugin_utils.wheelhouse import Wheelhouse, WheelhouseError, look

MODULE = "openkes.kes.release"


class ActionModule(ActionBase):  # type: ignore[misc]
    """Install one release on one host."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = {key: value for key, value in self._task.args.items() if value is not None}
        engine = arguments.get("engine", "required")
        extras = sorted(str(name) for name in arguments.get("extras") or [])
        wheelhouse: Wheelhouse | None = None
        if arguments.get("wheelhouse"):
            try:
                wheelhouse = look(str(arguments["wheelhouse"]), engine, extras)
            except WheelhouseError as error:
                raise AnsibleActionFail(f"{error} Nothing was changed on any host.") from None
            arguments.update(
                release=wheelhouse.release,
                version=wheelhouse.version,
                with_engine=wheelhouse.engine,
                offline=wheelhouse.complete,
            )
        elif arguments.get("version"):
            arguments["release"] = "-".join([str(arguments["version"]), *extras])
        else:
            raise AnsibleActionFail("release: give a wheelhouse, or a version to install from an index.")
        report = self._module("report", arguments, task_vars)
        if report.get("failed") or not report["changed"] or self._task.check_mode:
            return {**result, **report}
        if wheelhouse and not report["installed"]:
            arguments["archive"] = self._send(wheelhouse)
        return {**result, **self._module("apply", arguments, task_vars)}

    def _module(self, step: str, arguments: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        found: dict[str, Any] = self._execute_module(
            module_name=MODULE, module_args={**arguments, "step": step}, task_vars=task_vars
        )
        return found

    def _send(self, wheelhouse: Wheelhouse) -> str:
        """Path of the archive on the host, in the task's own temporary folder."""
        if not self._connection._shell.tmpdir:
            self._make_tmp_path()
        target = self._connection._shell.join_path(self._connection._shell.tmpdir, "wheels.tar")
        with tempfile.TemporaryDirectory() as folder:
            archive = Path(folder) / "wheels.tar"
            wheelhouse.pack(archive)
            self._transfer_file(str(archive), target)
        self._fixup_perms2((self._connection._shell.tmpdir, target))
        return str(target)
