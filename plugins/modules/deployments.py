#!/usr/bin/python
# Copyright: openkes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of `deployments`; the work is done by the action plugin of the same name, on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: deployments
short_description: Say which hosts form a MinIO deployment
version_added: 0.1.0
description:
  - Each child group of O(group) that has hosts is one deployment; without child groups all of O(group) is one.
    The variable C(kes_minio_deployment) of a host wins over its groups.
  - Fails when a run covers only a part of a deployment, since its nodes need the same environment and restart
    together.
  - Always runs on the controller.
options:
  group:
    description: The group that holds all MinIO hosts.
    type: str
    default: minio
extends_documentation_fragment:
  - openkes.kes.looks_only
author:
  - openkes contributors (@openkes)
"""

EXAMPLES = r"""
- name: Deployments of this inventory
  openkes.kes.deployments:
  register: found
"""

RETURN = r"""
deployments:
  description: In the inventory's order, each with C(name) and C(hosts).
  returned: success
  type: list
  elements: dict
  sample: [{name: east, hosts: [minio-e1, minio-e2]}]
"""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    """Reached only when somebody runs the module without its action plugin."""
    module = AnsibleModule(argument_spec={"group": {"type": "str", "default": "minio"}}, supports_check_mode=True)
    module.fail_json(msg="openkes.kes.deployments runs on the controller through its action plugin only.")


if __name__ == "__main__":
    main()
