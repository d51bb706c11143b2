#!/usr/bin/python
# Copyright: openkes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Prove from a MinIO host that its own identity can encrypt and decrypt at every key server."""

from __future__ import annotations

DOCUMENTATION = r"""
module: round_trip
short_description: Prove that a host can use a master key at every key server
version_added: 0.1.0
description:
  - Generates a data key and decrypts it again, at each of the endpoints, with the host's own identity. Changes
    nothing.
  - Fails when any endpoint fails, with the cause and the next step for each.
options:
  name:
    description: Name of the master key.
    type: str
    required: true
  endpoints:
    description: URLs of the key servers; all are tried.
    type: list
    elements: str
    required: true
  host:
    description: What this host is called in messages.
    type: str
    default: this host
  promise:
    description: What to say in a failure about what was left alone.
    type: str
    default: Nothing was changed on any MinIO host.
extends_documentation_fragment:
  - openkes.kes.connection
attributes:
  check_mode:
    description: Does the same, for it changes nothing. Files that do not exist yet are no failure then.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
author:
  - openkes contributors (@openkes)
"""

EXAMPLES = r"""
- name: Every MinIO host proves a round trip
  openkes.kes.round_trip:
    name: my-master-key
    endpoints: [https://kes-1:7373]
    client_certificate: /etc/openkes/client.crt
    client_key: /etc/openkes/client.key
    trust: /etc/openkes/ca.crt
    host: "{{ inventory_hostname }}"
"""

RETURN = r"""
endpoints:
  description: For each endpoint whether it worked and, if not, the cause.
  returned: always
  type: list
  elements: dict
proved:
  description:
    - Whether all endpoints were tried and worked. V(false) only in check mode, before there is anything to try.
  returned: success
  type: bool
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.openkes.kes.plugins.module_utils import connection
from ansible_collections.openkes.kes.plugins.module_utils.kes import Kes, KesError


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "endpoints": {"type": "list", "elements": "str", "required": True},
            "host": {"type": "str", "default": "this host"},
            "promise": {"type": "str", "default": "Nothing was changed on any MinIO host."},
            **connection.arguments(),
        },
        supports_check_mode=True,
    )
    params = module.params
    paths = (params["client_key"], params["client_certificate"], params["trust"])
    if module.check_mode and any(path and not os.path.exists(path) for path in paths):
        module.exit_json(changed=False, proved=False, endpoints=[])
    results, failures = [], []
    for endpoint in params["endpoints"]:
        try:
            Kes(connection.connection(endpoint, params)).round_trip(params["name"])
            results.append({"endpoint": endpoint, "ok": True})
        except KesError as error:
            results.append({"endpoint": endpoint, "ok": False, "cause": error.failure.cause})
            failures.append(error.failure)
    if not failures:
        module.exit_json(changed=False, proved=True, endpoints=results)
    step = failures[0].step.replace("{host}", params["host"]).rstrip(".")
    module.fail_json(
        msg="%s: %s. %s\n%s, then run the playbook again."
        % (params["host"], "; ".join(failure.cause for failure in failures), params["promise"], step),
        endpoints=results,
    )


if __name__ == "__main__":
    main()
