#!/usr/bin/python
# Copyright: openkes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Restart MinIO without waiting, and wait until it is healthy: two steps, since all nodes must go together."""

from __future__ import annotations

DOCUMENTATION = r"""
module: minio_service
short_description: Restart a MinIO node, or wait until it is healthy
version_added: 0.1.0
description:
  - V(restarted) asks systemd for a restart and returns at once. A node is ready only when its peers are, so waiting
    for one before the others are restarted may never end.
  - V(healthy) waits until the restarted node takes part in its cluster, then asks once for readiness, which makes
    MinIO use its master key, and only then forgets that a restart was due.
  - V(checked) asks the same two questions once and changes nothing.
options:
  state:
    description: What to do.
    type: str
    choices: [restarted, healthy, checked]
    required: true
  previous:
    description:
      - What the step V(restarted) returned, so that an old process that still answers is not taken for the new.
    type: str
    default: ''
  url:
    description: Base URL of this node's MinIO, as seen from the node itself.
    type: str
    default: http://127.0.0.1:9000
  validate_certs:
    description: Whether MinIO's own certificate is checked.
    type: bool
    default: false
  timeout:
    description: Seconds to wait for health.
    type: int
    default: 180
extends_documentation_fragment:
  - openkes.kes.minio_host
attributes:
  check_mode:
    description: Says that it would restart. V(healthy) does nothing then.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
author:
  - openkes contributors (@openkes)
"""

EXAMPLES = r"""
- name: Restart the node
  openkes.kes.minio_service:
    state: restarted
    endpoints: [https://kes-1:7373]
    key_name: my-master-key
    client_key: /etc/openkes/client.key
    client_certificate: /etc/openkes/client.crt
    trust: /etc/openkes/ca.crt
  register: restarted
"""

RETURN = r"""
previous:
  description: Which start of the unit was the last before the restart.
  returned: O(state=restarted)
  type: str
seconds:
  description: How long it took until the node was healthy.
  returned: O(state=healthy)
  type: int
"""

import os
import time
from typing import Any
from urllib.error import HTTPError

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import open_url
from ansible_collections.openkes.kes.plugins.module_utils import (
    files,
    marker,
    minio_arguments,
    minio_host,
)
from ansible_collections.openkes.kes.plugins.module_utils.systemd import SystemdError, Unit

PAUSE = 0.5  # seconds between two looks: short beside the seconds that a start takes
ANSWER = 15  # seconds for one answer; readiness asks the key server


def ask(module: AnsibleModule, path: str) -> str:
    """ "" for 200, otherwise what came instead."""
    url = module.params["url"].rstrip("/") + path
    try:
        open_url(
            url,
            timeout=ANSWER,
            use_proxy=False,
            validate_certs=module.params["validate_certs"],
            http_agent="openkes-ansible",
        ).read()
    except HTTPError as error:
        return "%s answered %d" % (path, error.code)
    except Exception as error:
        return "%s did not answer (%s)" % (path, getattr(error, "reason", error))
    return ""


def wait(module: AnsibleModule, unit: Unit) -> int:
    """Seconds until healthy; fails the module at the deadline."""
    params = module.params
    begin = time.monotonic()
    while True:
        if not unit.active() or (params["previous"] and unit.invocation() == params["previous"]):
            why = "%s is not running (systemd says %s)" % (
                unit.name,
                unit.show("ActiveState", "Result").get("ActiveState", "nothing"),
            )
        else:
            why = ask(module, "/minio/health/cluster")
        if not why:
            why = ask(module, "/minio/health/ready")
            if not why:
                return int(time.monotonic() - begin)
        if time.monotonic() - begin > params["timeout"]:
            module.fail_json(
                msg="MinIO did not become healthy within %d s after the restart: %s. The restart stays noted in"
                " %s, and"
                " no further deployment is touched. Look at journalctl -u %s, correct what it says, then run the"
                " playbook again." % (params["timeout"], why, params["restart_marker"], unit.name)
            )
        time.sleep(PAUSE)


def healthy(module: AnsibleModule, unit: Unit) -> dict[str, Any]:
    """Wait, look whether MinIO sees its new environment, forget the note."""
    params = module.params
    seconds = wait(module, unit)
    unseen = minio_host.unseen(minio_host.wanted(params), unit.running_environment())
    if unseen:
        module.fail_json(
            msg="MinIO was restarted and is healthy, but it runs without the new values of %s: %s does not take its"
            " environment from %s alone. Look at the unit (systemctl cat %s) and set kes_minio_environment_file or"
            " kes_minio_environment." % (", ".join(unseen), unit.name, params["environment_file"], unit.name)
        )
    return {"changed": False, "seconds": seconds, "was_due": marker.clear(params["restart_marker"])}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["restarted", "healthy", "checked"], "required": True},
            "previous": {"type": "str", "default": ""},
            "url": {"type": "str", "default": "http://127.0.0.1:9000"},
            "validate_certs": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 180},
            **minio_arguments.arguments(),
        },
        supports_check_mode=True,
    )
    unit = Unit(module, module.params["service"])
    try:
        if module.params["state"] == "healthy":
            module.exit_json(**({"changed": False} if module.check_mode else healthy(module, unit)))
        if module.params["state"] == "checked":
            why = ask(module, "/minio/health/cluster") or ask(module, "/minio/health/ready")
            if why:
                module.fail_json(msg="MinIO is not healthy: %s. Look at journalctl -u %s." % (why, unit.name))
            module.exit_json(changed=False)
        previous = unit.invocation()
        if not module.check_mode:
            # Also on nodes where nothing changed: if this one does not come back, the next run must know of it.
            files.make_folder(os.path.dirname(module.params["restart_marker"]), files.Ownership(-1, -1, 0o755))
            marker.add(module.params["restart_marker"], "a restart was begun and its node was not seen healthy since")
            unit.restart()
        module.exit_json(changed=True, previous=previous)
    except (SystemdError, OSError) as error:
        module.fail_json(msg="MinIO could not be restarted: %s. It is still noted as due." % error)


if __name__ == "__main__":
    main()
