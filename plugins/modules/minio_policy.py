#!/usr/bin/python
# Copyright: openkes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of `minio_policy`; the work is done by the action plugin of the same name, on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: minio_policy
short_description: Put together the policy of all MinIO hosts
version_added: 0.1.0
description:
  - Returns the policy under which a key server knows the MinIO hosts as one set, from the copies of their
    certificates that M(openkes.kes.certificate) keeps on the controller. So a run that is limited to some hosts
    never forgets the others.
  - Always runs on the controller and changes nothing.
options:
  hosts:
    description: Inventory names of all MinIO hosts.
    type: list
    elements: str
    required: true
  folder:
    description: The authority's folder on the controller.
    type: path
    required: true
  mode:
    description: With V(root) the hosts use the admin identity, which needs no policy.
    type: str
    choices: [least, root]
    default: least
  name:
    description: Name of the policy.
    type: str
    default: minio
  keys:
    description: Names of keys that MinIO may use.
    type: list
    elements: str
    required: true
  create:
    description: Whether MinIO may create these keys.
    type: bool
    default: false
  more:
    description: More paths to allow.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    description: Does the same; hosts that have no identity yet are counted instead of refused.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
author:
  - openkes contributors (@openkes)
"""

EXAMPLES = r"""
- name: The policy of the MinIO hosts
  openkes.kes.minio_policy:
    hosts: "{{ groups.minio }}"
    folder: "{{ inventory_dir }}/openkes-pki"
    keys: [my-master-key]
"""

RETURN = r"""
policies:
  description: The policy by name, as the key server's configuration takes it.
  returned: success
  type: dict
predicted:
  description: Hosts whose identity is made only at a real run.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    """Reached only when somebody runs the module without its action plugin."""
    module = AnsibleModule(
        argument_spec={
            "hosts": {"type": "list", "elements": "str", "required": True},
            "folder": {"type": "path", "required": True},
            "mode": {"type": "str", "choices": ["least", "root"], "default": "least"},
            "name": {"type": "str", "default": "minio"},
            "keys": {"type": "list", "elements": "str", "required": True, "no_log": False},
            "create": {"type": "bool", "default": False},
            "more": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    module.fail_json(msg="openkes.kes.minio_policy runs on the controller through its action plugin only.")


if __name__ == "__main__":
    main()
