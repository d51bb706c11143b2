#!/usr/bin/python
# Copyright: openkes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of `authority`; the work is done by the action plugin of the same name, on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: authority
short_description: Make the certificate authority or the admin identity on the controller
version_added: 0.1.0
description:
  - Keeps a folder on the controller (permissions 0700, with a C(.gitignore)) that holds the authority's key and
    certificate and the admin identity of the key servers. Nothing of it is ever sent to a managed host.
  - What exists is never replaced. The admin certificate is renewed, for the same key, when less than a third of its
    lifetime is left.
  - Always runs on the controller, whatever the host of the task. Use it with C(run_once).
options:
  folder:
    description: The folder on the controller.
    type: path
    required: true
  part:
    description: What to make.
    type: str
    choices: [ca, admin]
    default: ca
  common_name:
    description: Common name of the certificate.
    type: str
    default: openkes authority
  days:
    description: Lifetime in days.
    type: int
    default: 3650
  password:
    description: Password that protects the authority's private key. The admin key has none.
    type: str
attributes:
  check_mode:
    description: Says what would be made, and makes nothing.
    support: full
  diff_mode:
    description: Names what is made.
    support: full
author:
  - openkes contributors (@openkes)
"""

EXAMPLES = r"""
- name: The authority beside the inventory
  openkes.kes.authority:
    folder: "{{ inventory_dir }}/openkes-pki"
  run_once: true
"""

RETURN = r"""
certificate:
  description: Path of the certificate on the controller.
  returned: success
  type: str
identity:
  description: The admin identity. Empty in check mode before there is one.
  returned: O(part=admin)
  type: str
"""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    """Reached only when somebody runs the module without its action plugin."""
    module = AnsibleModule(
        argument_spec={
            "folder": {"type": "path", "required": True},
            "part": {"type": "str", "choices": ["ca", "admin"], "default": "ca"},
            "common_name": {"type": "str", "default": "openkes authority"},
            "days": {"type": "int", "default": 3650},
            "password": {"type": "str", "no_log": True},
        },
        supports_check_mode=True,
    )
    module.fail_json(msg="openkes.kes.authority runs on the controller through its action plugin only.")


if __name__ == "__main__":
    main()
