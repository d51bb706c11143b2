#!/usr/bin/python
# Copyright: openkes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Create a master key if it is absent."""

from __future__ import annotations

DOCUMENTATION = r"""
module: key
short_description: Create a master key on a key server if it is absent
version_added: 0.1.0
description:
  - Asks the key server about the key and creates it when there is none. An existing key is never replaced.
  - Run it where the admin identity is, which is the controller.
options:
  name:
    description: Name of the key.
    type: str
    required: true
  endpoints:
    description: URLs of key servers that share a key store. The first one that answers is used.
    type: list
    elements: str
    required: true
  used_by:
    description:
      - MinIO hosts that use the key already. When it is absent all the same, it was lost, or is on another key server,
        and what they encrypted could not be read with a new one. The module fails then.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - openkes.kes.connection
attributes:
  check_mode:
    description: Says whether the key would be created. A key server that does not answer yet counts as empty.
    support: full
  diff_mode:
    description: Names the key.
    support: full
author:
  - openkes contributors (@openkes)
"""

EXAMPLES = r"""
- name: The master key
  openkes.kes.key:
    name: my-master-key
    endpoints: [https://kes-1:7373]
    client_certificate: openkes-pki/admin.crt
    client_key: openkes-pki/admin.key
    trust: openkes-pki/ca.crt
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
key:
  description: What the key server tells about the key. Empty when check mode would create it.
  returned: success
  type: dict
endpoint:
  description: The key server that answered.
  returned: success
  type: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.openkes.kes.plugins.module_utils import connection
from ansible_collections.openkes.kes.plugins.module_utils.kes import Kes, KesError


def refusal(name: str, used_by: list[str]) -> str:
    """Why a missing key is not made."""
    return (
        "The key server has no key %s, and MinIO on %s uses it already: a new key of that name would not open what was"
        " encrypted with the old one. Nothing was created. Bring the key back: `kes restore` from a backup,"
        " `kes migrate` or `kes key import` from another key server, or mount the key store; a deletion that still"
        " waits is undone by `kes key undelete`. If nothing is encrypted with it, set kes_key_create_anew to true."
        % (name, ", ".join(used_by))
    )


def ensure(module: AnsibleModule, endpoint: str) -> dict[str, Any]:
    """The result for one key server. Raises KesError."""
    name = module.params["name"]
    kes = Kes(connection.connection(endpoint, module.params))
    found = kes.describe(name)
    changed = found is None
    if changed and module.params["used_by"]:
        module.fail_json(msg=refusal(name, module.params["used_by"]))
    if changed and not module.check_mode:
        changed = kes.create(name)
        found = kes.describe(name)
    result = {"changed": changed, "key": found or {}, "endpoint": endpoint}
    if changed:
        result["diff"] = {"prepared": "+ master key %s\n" % name}
    return result


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "endpoints": {"type": "list", "elements": "str", "required": True},
            "used_by": {"type": "list", "elements": "str", "default": []},
            **connection.arguments(),
        },
        supports_check_mode=True,
    )
    silent = []
    for endpoint in module.params["endpoints"]:
        try:
            module.exit_json(**ensure(module, endpoint))
        except KesError as error:
            if error.status and error.status < 500:
                module.fail_json(
                    msg="The master key %s could not be looked after: %s. %s"
                    % (module.params["name"], error.failure.cause, error.failure.step),
                    status=error.status,
                )
            silent.append(error.failure)
    if module.check_mode:
        module.exit_json(
            changed=True, key={}, endpoint="", diff={"prepared": "+ master key %(name)s\n" % module.params}
        )
    module.fail_json(
        msg="The master key %s could not be looked after: %s. %s, then run the playbook again."
        % (
            module.params["name"],
            "; ".join(failure.cause for failure in silent),
            silent[0].step.replace("{host}", "this host").rstrip("."),
        )
    )


if __name__ == "__main__":
    main()
