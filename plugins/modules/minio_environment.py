#!/usr/bin/python
# Copyright: openkes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write MinIO's environment, after noting that a restart is due."""

from __future__ import annotations

DOCUMENTATION = r"""
module: minio_environment
short_description: Give MinIO's environment its key server variables
version_added: 0.1.0
description:
  - Sets the five C(MINIO_KMS_KES_*) variables in MinIO's environment file or in a drop-in of its unit. Everything
    else in the file stays byte for byte.
  - Notes in a file that a restart is due before anything is changed. See M(openkes.kes.minio_service).
  - Refuses variables that MinIO does not accept beside these.
extends_documentation_fragment:
  - openkes.kes.minio_host
attributes:
  check_mode:
    description: Says whether the environment would change, and changes nothing.
    support: full
  diff_mode:
    description: Shows the collection's own lines only, for the file also holds MinIO's root password.
    support: full
author:
  - openkes contributors (@openkes)
"""

EXAMPLES = r"""
- name: MinIO's environment
  openkes.kes.minio_environment:
    endpoints: [https://kes-1:7373]
    key_name: my-master-key
    client_key: /etc/openkes/client.key
    client_certificate: /etc/openkes/client.crt
    trust: /etc/openkes/ca.crt
"""

RETURN = r"""
restart_due:
  description: Reasons why a restart is due, also from earlier runs.
  returned: success
  type: list
  elements: str
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.openkes.kes.plugins.module_utils import (
    files,
    marker,
    minio_arguments,
    minio_host,
)
from ansible_collections.openkes.kes.plugins.module_utils.systemd import SystemdError, Unit

#: For a file that did not exist: systemd reads it as root, and a password may be added to it later.
NEW_FILE = files.Ownership(-1, -1, 0o640)


def write(module: AnsibleModule, changes: list[minio_host.Change]) -> None:
    """Note first, then change."""
    params = module.params
    managed = bool(params["service"])
    if managed:
        files.make_folder(os.path.dirname(params["restart_marker"]), files.Ownership(-1, -1, 0o755))
        marker.add(params["restart_marker"], "MinIO's environment changed")
    for change in changes:
        if change.text is None:
            os.unlink(change.path)
            continue
        files.make_folder(os.path.dirname(change.path), files.Ownership(-1, -1, 0o755))
        target = os.path.realpath(change.path)
        files.write(target, change.text.encode("utf-8", "surrogateescape"), files.keep(target, NEW_FILE))
    if managed and any(change.path == minio_host.dropin_path(params["service"]) for change in changes):
        Unit(module, params["service"]).daemon_reload()


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=minio_arguments.arguments(), supports_check_mode=True)
    params = module.params
    result: dict[str, Any] = {"changed": False}
    try:
        minio_host.refuse_conflicts(params["environment_file"], minio_host.present(params["environment_file"]))
        changes = minio_host.plan(params)
        if changes and not module.check_mode:
            write(module, changes)
        result["restart_due"] = marker.reasons(params["restart_marker"])
    except minio_host.Refused as error:
        module.fail_json(msg=str(error))
    except (OSError, SystemdError) as error:
        module.fail_json(msg="MinIO's environment could not be written: %s. MinIO was not restarted." % error)
    if changes:
        result["changed"] = True
        result["diff"] = [
            {"before_header": item.path, "after_header": item.path, "before": item.before, "after": item.after}
            for item in changes
        ]
        if module.check_mode and params["service"]:
            result["restart_due"] = [*result["restart_due"], "MinIO's environment changed"]
    module.exit_json(**result)


if __name__ == "__main__":
    main()
