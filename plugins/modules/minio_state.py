#!/usr/bin/python
# Copyright: openkes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Report the whole state of a MinIO host, and refuse what must not be touched."""

from __future__ import annotations

DOCUMENTATION = r"""
module: minio_state
short_description: Report what a MinIO host has of key, certificate, environment and due restarts
version_added: 0.1.0
description:
  - Looks at a MinIO host in one call and changes nothing.
  - Fails when the host must not be touched, because of variables that exclude each other, an environment file that
    systemd misreads, or a unit that does not exist or reads another file.
options:
  user:
    description: User that MinIO must run as to read its key. Not looked at when empty.
    type: str
    default: ''
extends_documentation_fragment:
  - openkes.kes.minio_host
  - openkes.kes.looks_only
author:
  - openkes contributors (@openkes)
"""

EXAMPLES = r"""
- name: Look at the host
  openkes.kes.minio_state:
    endpoints: [https://kes-1:7373]
    key_name: my-master-key
    client_key: /etc/openkes/client.key
    client_certificate: /etc/openkes/client.crt
    trust: /etc/openkes/ca.crt
"""

RETURN = r"""
files:
  description: Which of key, certificate and trusted certificates exist.
  returned: success
  type: dict
environment_current:
  description: Whether the environment says what it should.
  returned: success
  type: bool
unseen:
  description: Names of variables that the running MinIO has otherwise.
  returned: success
  type: list
  elements: str
restart_due:
  description: Reasons why a restart is due, also from earlier runs.
  returned: success
  type: list
  elements: str
key_in_use:
  description: Name of the master key that the environment names, empty for none.
  returned: success
  type: str
running:
  description: Whether MinIO's unit is active.
  returned: success
  type: bool
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.openkes.kes.plugins.module_utils import (
    marker,
    minio_arguments,
    minio_host,
)
from ansible_collections.openkes.kes.plugins.module_utils.systemd import SystemdError, Unit


def service_state(module: AnsibleModule) -> dict[str, Any]:
    """Whether the unit runs and what its process sees. Raises Refused."""
    params = module.params
    if not params["service"]:
        return {"running": False, "unseen": []}
    unit = Unit(module, params["service"])
    if not unit.available:
        raise minio_host.Refused(
            "This host does not run systemd, so MinIO cannot be restarted as a unit. Nothing was changed on any MinIO"
            ' host. Set kes_minio_service to "" and restart MinIO yourself.'
        )
    if not unit.exists():
        if module.check_mode:
            module.warn("There is no systemd unit %s yet; a real run would stop here." % unit.name)
            return {"running": False, "unseen": []}
        raise minio_host.Refused(
            "There is no systemd unit %s. Nothing was changed on any MinIO host. Install MinIO first, or set"
            " kes_minio_service to the name of its unit." % unit.name
        )
    user = unit.show("User").get("User") or "root"
    if params["user"] and user != params["user"]:
        raise minio_host.Refused(
            "%s runs as user %s and not as %s, so it could not read its private key. Nothing was changed on any MinIO"
            " host. Set kes_minio_user to %s." % (unit.name, user, params["user"], user)
        )
    read = unit.environment_files()
    path = params["environment_file"]
    if params["environment"] == "file" and read and path not in read:
        raise minio_host.Refused(
            "%s does not read %s (it reads %s). Nothing was changed on any MinIO host. Set"
            " kes_minio_environment_file to the file it reads." % (unit.name, path, ", ".join(read))
        )
    running = unit.running_environment()
    if running:
        own = [name for name in running if name not in minio_host.present(path)]
        minio_host.refuse_conflicts("The unit %s" % unit.name, own)
    return {"running": unit.active(), "unseen": minio_host.unseen(minio_host.wanted(params), running)}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={**minio_arguments.arguments(), "user": {"type": "str", "default": ""}},
        supports_check_mode=True,
    )
    params = module.params
    try:
        names = minio_host.present(params["environment_file"])
        minio_host.refuse_conflicts(params["environment_file"], names)
        changes = minio_host.plan(params)
        key_in_use = minio_host.key_in_use(params)
        service = service_state(module)
        due = marker.reasons(params["restart_marker"])
    except minio_host.Refused as error:
        module.fail_json(msg=str(error))
    except SystemdError as error:
        module.fail_json(msg="%s Nothing was changed on any MinIO host." % error)
    except OSError as error:
        module.fail_json(msg="%s. Nothing was changed on any MinIO host. Look who may read it." % error)
    for hint in minio_host.hints(names):
        module.warn(hint)
    module.exit_json(
        changed=False,
        files={name: os.path.exists(params[name]) for name in ("client_key", "client_certificate", "trust")},
        environment_current=not changes,
        key_in_use=key_in_use,
        restart_due=due,
        **service,
    )


if __name__ == "__main__":
    main()
