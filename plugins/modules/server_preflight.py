#!/usr/bin/python
# Copyright: openkes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Look whether a host can run a key server, before anything is changed."""

from __future__ import annotations

DOCUMENTATION = r"""
module: server_preflight
short_description: Look whether a host can run a key server
version_added: 0.1.0
description:
  - Checks Python, C(openssl) and systemd, and fails with the next step. Changes nothing.
options:
  python:
    description: Python that the server shall run on. Not looked at when unset.
    type: str
  packages:
    description: Packages that would give it what it lacks.
    type: list
    elements: str
    default: []
  program:
    description: Path of a C(kes) that must be there already.
    type: path
  supervisor:
    description: Who will look after the process.
    type: str
    choices: [systemd, process]
    default: systemd
extends_documentation_fragment:
  - openkes.kes.looks_only
author:
  - openkes contributors (@openkes)
"""

EXAMPLES = r"""
- name: The host can run a key server
  openkes.kes.server_preflight:
    python: python3
"""

RETURN = r"""
packages_needed:
  description: Whether O(packages) have to be installed.
  returned: success
  type: bool
logrotate:
  description: Whether the host rotates logs with logrotate.
  returned: success
  type: bool
version:
  description: Version of O(program).
  returned: success
  type: str
"""

import os
import re

from ansible.module_utils.basic import AnsibleModule

PROBE = "import sys; print('%d.%d' % sys.version_info[:2]); import venv, ensurepip"


def python_lacks(module: AnsibleModule) -> bool:
    """Whether the Python cannot make virtual environments; fails for one that is missing or too old."""
    python = module.params["python"]
    path = module.get_bin_path(python) or (python if os.path.isabs(python) else None)
    if path is None or not os.path.exists(path):
        module.fail_json(
            msg="The key server needs Python 3.11 or later, and %s was not found on this host. Install it, or set"
            " kes_server_python to it. Nothing was changed." % python
        )
    code, out, _err = module.run_command([path, "-c", PROBE])
    version = tuple(int(part) for part in out.split()[0].split(".")) if out.split() else (0, 0)
    if version < (3, 11):
        module.fail_json(
            msg="The key server needs Python 3.11 or later, and %s is %d.%d. Install a later one and set"
            " kes_server_python to it. Nothing was changed." % (path, version[0], version[1])
        )
    if code != 0 and not module.params["packages"]:
        module.fail_json(
            msg="%s cannot make virtual environments (its modules venv and ensurepip are missing). Install them,"
            " or name"
            " the packages in kes_server_python_packages. Nothing was changed." % path
        )
    return bool(code != 0)


def program_version(module: AnsibleModule) -> str:
    """The version the program tells; fails when it does not run."""
    try:
        code, out, err = module.run_command([module.params["program"], "--version"], handle_exceptions=False)
    except OSError as error:
        code, out, err = 1, "", str(error)
    if code != 0:
        module.fail_json(
            msg="kes_server_program is %s, and that does not run (%s). Nothing was changed."
            % (module.params["program"], err.strip() or "no output")
        )
    found = re.search(r"\d+\.\d+[^\s]*", out)
    return found.group() if found else ""


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "python": {"type": "str"},
            "packages": {"type": "list", "elements": "str", "default": []},
            "program": {"type": "path"},
            "supervisor": {"type": "str", "choices": ["systemd", "process"], "default": "systemd"},
        },
        supports_check_mode=True,
    )
    if module.params["supervisor"] == "systemd" and not os.path.isdir("/run/systemd/system"):
        module.fail_json(
            msg="This host does not run systemd, which looks after the key server. Choose another host for group"
            " kes, or"
            " set kes_server_supervisor to process for a trial. Nothing was changed."
        )
    if module.get_bin_path("openssl") is None:
        module.fail_json(
            msg="The command openssl is not installed on this host. Install the package openssl. Nothing was changed."
        )
    module.exit_json(
        changed=False,
        packages_needed=python_lacks(module) if module.params["python"] else False,
        logrotate=os.path.isdir("/etc/logrotate.d"),
        version=program_version(module) if module.params["program"] else "",
    )


if __name__ == "__main__":
    main()
