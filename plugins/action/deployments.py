# Copyright: openkes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads the MinIO deployments from the inventory's group tree."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.openkes.kes.plugins.plugin_utils.deployments import DeploymentError, incomplete, split


class ActionModule(ActionBase):  # type: ignore[misc]
    """Nothing runs on a managed host."""

    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        _checked, arguments = self.validate_argument_spec(argument_spec={"group": {"type": "str", "default": "minio"}})
        group = arguments["group"]
        hosts = [str(host) for host in variables["groups"].get(group, [])]
        named = {}
        for host in hosts:
            name = variables["hostvars"][host].get("kes_minio_deployment")
            if name:
                named[host] = str(name)
        try:
            found = split(hosts, {} if len(named) == len(hosts) else self._children(group, variables), named)
        except DeploymentError as error:
            raise AnsibleActionFail(str(error)) from None
        sentences = incomplete(found, [str(host) for host in variables["ansible_play_hosts_all"]])
        if sentences:
            raise AnsibleActionFail(
                " ".join(sentences) + " All nodes of a deployment need the same MINIO_* values and restart together."
                " Nothing was changed on any MinIO host. Run without --limit, or limit to whole deployments."
            )
        result.update(changed=False, deployments=found)
        return result

    def _children(self, group: str, variables: dict[str, Any]) -> dict[str, list[str]]:
        """Child groups with hosts. The group tree is no variable, so it is read from the inventory itself."""
        manager = self._task.get_variable_manager()
        inventory = getattr(manager, "_inventory", None) or getattr(variables["hostvars"], "_inventory", None)
        if inventory is None:
            raise AnsibleActionFail(
                "This version of Ansible does not show the inventory's group tree."
                " Set kes_minio_deployment for every host of group minio."
            )
        parent = inventory.groups.get(group)
        if parent is None:
            return {}
        return {child.name: [host.name for host in child.get_hosts()] for child in parent.child_groups}
