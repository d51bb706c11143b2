#!/usr/bin/python
# Copyright: openkes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Wait until one key server is ready, its key store included; then say what it runs with."""

from __future__ import annotations

DOCUMENTATION = r"""
module: server_ready
short_description: Wait until a key server is ready
version_added: 0.1.0
description:
  - Asks C(/v1/ready) until the key server and its key store answer, then C(/v1/status). Changes nothing.
  - With several key servers, the next one is to be touched only after this.
options:
  endpoint:
    description: URL of the key server.
    type: str
    required: true
  wait:
    description: Seconds until it must be ready.
    type: float
    default: 60
  digest:
    description: What it must tell as the digest of its configuration, such as after a reload. Anything when unset.
    type: str
extends_documentation_fragment:
  - openkes.kes.connection
  - openkes.kes.looks_only
author:
  - openkes contributors (@openkes)
"""

EXAMPLES = r"""
- name: It is ready
  openkes.kes.server_ready:
    endpoint: https://kes-1:7373
    client_certificate: openkes-pki/admin.crt
    client_key: openkes-pki/admin.key
    trust: openkes-pki/trust.crt
  delegate_to: localhost
"""

RETURN = r"""
version:
  description: Version of the key server.
  returned: success
  type: str
digest:
  description: Digest of what must be the same on all key servers of a group, empty when it tells none.
  returned: success
  type: str
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.openkes.kes.plugins.module_utils import connection
from ansible_collections.openkes.kes.plugins.module_utils.kes import Failure, Kes, KesError

PAUSE = 0.5  # seconds between two looks
OTHER = Failure(
    "it runs with another configuration than its file holds",
    "Look at its log (journalctl -u openkes), which says why it did not take it over.",
)


def wait(kes: Kes, seconds: float, digest: str | None) -> dict[str, Any]:
    """Its status, once it is ready. The last KesError at the deadline; one that waiting does not mend, at once."""
    deadline = time.monotonic() + seconds
    while True:
        late = time.monotonic() + PAUSE > deadline
        try:
            kes.call("GET", "/v1/ready")
            status = kes.call("GET", "/v1/status") or {}
        except KesError as error:
            if 400 <= error.status < 500 or late:
                raise
        else:
            if digest in (None, status.get("configuration")):
                return dict(status)
            if late:
                raise KesError(OTHER)
        time.sleep(PAUSE)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "endpoint": {"type": "str", "required": True},
            "wait": {"type": "float", "default": 60.0},
            "digest": {"type": "str"},
            **connection.arguments(),
        },
        supports_check_mode=True,
    )
    try:
        kes = Kes(connection.connection(module.params["endpoint"], module.params))
        status = wait(kes, module.params["wait"], module.params["digest"])
    except KesError as error:
        step = error.failure.step.replace("{host}", "the controller")
        if error.status == 504:
            step = "Its key store does not answer: look at the key server's log (journalctl -u openkes)."
        module.fail_json(
            msg="%s is not ready: %s. %s No other key server was touched after it."
            % (module.params["endpoint"], error.failure.cause, step if step.endswith(".") else step + ".")
        )
    module.exit_json(changed=False, version=status.get("version", ""), digest=status.get("configuration", ""))


if __name__ == "__main__":
    main()
