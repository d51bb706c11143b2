#!/usr/bin/python
# Copyright: openkes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bring the running key server up to date with its files: start, restart, reload, or nothing; then look at it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: server_service
short_description: Start, reload or restart the key server as its files demand
version_added: 0.1.0
description:
  - Compares the files with those that the server was last started or reloaded with, and does the least that is
    needed. So a reload or restart that a failed run left undone is done by the next one.
  - Waits until the server answers and serves the certificate of its file.
options:
  supervisor:
    description: Who looks after the process. V(process) is for evaluation without root; nobody restarts it there.
    type: str
    choices: [systemd, process]
    default: systemd
  unit:
    description: Name of the systemd unit.
    type: str
    default: openkes
  unit_file:
    description: Path of the systemd unit.
    type: path
  command:
    description: The program and its arguments, for V(process).
    type: list
    elements: str
    default: []
  pid_file:
    description: Where the process number is kept, for V(process).
    type: path
  log_file:
    description: Where the server's output goes, for V(process).
    type: path
  config:
    description: The configuration. Its contents are reloaded.
    type: path
    required: true
  certificate:
    description: The server's certificate. Its contents are reloaded.
    type: path
    required: true
  private_key:
    description: The server's private key. Its contents are reloaded.
    type: path
    required: true
  restart_on:
    description: Texts that need a restart when they change, such as the release and a fingerprint of the settings.
    type: list
    elements: str
    default: []
  restart_files:
    description: Files whose contents the server reads at its start only, such as its credentials.
    type: list
    elements: path
    default: []
  rewritten:
    description: Whether the configuration had to be written in this run, so that a server may have read another one.
    type: bool
    default: false
  state_file:
    description: Where it is noted what the running server was started and reloaded with.
    type: path
    required: true
  address:
    description: Address of this host at which the server is looked at.
    type: str
    default: 127.0.0.1
  port:
    description: Its port.
    type: int
    default: 7373
  timeout:
    description: Seconds until it must answer.
    type: int
    default: 60
attributes:
  check_mode:
    description: Says what would be done.
    support: full
  diff_mode:
    description: Names what is done.
    support: full
author:
  - openkes contributors (@openkes)
"""

EXAMPLES = r"""
- name: The key server runs with its present files
  openkes.kes.server_service:
    config: /etc/openkes/config.yml
    certificate: /etc/openkes/tls/server.crt
    private_key: /etc/openkes/tls/server.key
    state_file: /var/lib/openkes/applied.json
"""

RETURN = r"""
action:
  description: What was done, one of V(start), V(restart), V(reload), V(enable), or empty.
  returned: success
  type: str
"""

import hashlib
import json
import os
import time
from typing import Any, Union

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.openkes.kes.plugins.module_utils import files, served
from ansible_collections.openkes.kes.plugins.module_utils.process import Process
from ansible_collections.openkes.kes.plugins.module_utils.systemd import SystemdError, Unit

PAUSE = 0.2  # seconds between two looks
ENOUGH = 3  # times that systemd started it anew and it ended again
Supervised = Union[Unit, Process]


def fingerprint(parts: list[bytes]) -> str:
    """One hash over the parts, each with its length."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(b"%d\0" % len(part) + part)
    return digest.hexdigest()


def desired(params: dict[str, Any]) -> dict[str, str]:
    """Fingerprints of what needs a restart and of what needs a reload."""
    unit_file = (files.read(params["unit_file"]) if params["unit_file"] else None) or b""
    fixed = [text.encode() for text in [*params["restart_on"], *params["command"]]]
    fixed += [files.read(path) or b"" for path in params["restart_files"]]
    reloaded = [files.read(params[name]) or b"" for name in ("config", "certificate", "private_key")]
    return {"restart": fingerprint([unit_file, *fixed]), "reload": fingerprint(reloaded)}


def applied(path: str) -> dict[str, str]:
    """What the running server was started and reloaded with, as far as it is known."""
    try:
        found = json.loads(files.read(path) or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def decide(supervised: Supervised, before: dict[str, str], want: dict[str, str], rewritten: bool = False) -> str:
    """The least that brings the server up to date."""
    if not supervised.active():
        return "start"
    if before.get("restart") != want["restart"]:
        return "restart"
    if rewritten and before == want:
        return "restart"  # somebody else changed the file, and the server may have been started with that
    if before.get("reload") != want["reload"]:
        return "reload"
    if isinstance(supervised, Unit) and not supervised.enabled():
        return "enable"
    return ""


def act(module: AnsibleModule, supervised: Supervised, action: str) -> None:
    """Do it; the caller waits."""
    params = module.params
    if action == "start" and served.taken(params["address"], params["port"]):
        module.fail_json(
            msg="Port %(port)d of %(address)s is in use by another program, so the key server cannot start. Stop that"
            " program (ss -ltnp shows it), or set kes_server_port to another port." % params
        )
    if isinstance(supervised, Unit):
        supervised.daemon_reload()
        if not supervised.enabled():
            supervised.enable()
        if action == "reload":
            supervised.reload()
        elif action in ("start", "restart"):
            supervised.restart()
        return
    if action == "reload":
        supervised.reload()
        return
    if action == "restart" and not supervised.stop():
        module.fail_json(msg="The running key server does not stop. Look at %(log_file)s." % params)
    supervised.start()


def wait(module: AnsibleModule, supervised: Supervised) -> None:
    """Until the server shows the certificate of its file; fails the module at the deadline."""
    params = module.params
    want = served.leaf(files.read(params["certificate"]) or b"")
    deadline = time.monotonic() + params["timeout"]
    shown = None
    while time.monotonic() < deadline:
        shown = served.certificate(params["address"], params["port"])
        if shown is not None and shown == want and supervised.active():
            return
        if hopeless(supervised):
            break
        time.sleep(PAUSE)
    if shown is None:
        problem = "does not answer at %(address)s port %(port)d" % params
    else:
        problem = "still serves another certificate than %(certificate)s" % params
    module.fail_json(msg="The key server %s. %s" % (problem, complaint(module, supervised)))


def hopeless(supervised: Supervised) -> bool:
    """Whether it has ended and will not come by itself: no need to wait for the deadline."""
    if isinstance(supervised, Process):
        return not supervised.active()
    return supervised.restarts() >= ENOUGH


def complaint(module: AnsibleModule, supervised: Supervised) -> str:
    """What the server itself says, and where to read more."""
    if isinstance(supervised, Process):
        return "It says: %s (more in %s)" % (supervised.complaint() or "nothing", module.params["log_file"])
    _code, out, _err = module.run_command(["journalctl", "-u", supervised.name, "-n", "20", "-o", "cat", "--no-pager"])
    said = [line for line in out.splitlines() if line.startswith("kes: ")]
    return "It says: %s (more with journalctl -u %s)" % (" ".join(said[-2:]) or "nothing", supervised.name)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "supervisor": {"type": "str", "choices": ["systemd", "process"], "default": "systemd"},
            "unit": {"type": "str", "default": "openkes"},
            "unit_file": {"type": "path"},
            "command": {"type": "list", "elements": "str", "default": []},
            "pid_file": {"type": "path"},
            "log_file": {"type": "path"},
            "config": {"type": "path", "required": True},
            "certificate": {"type": "path", "required": True},
            "private_key": {"type": "path", "required": True, "no_log": False},
            "restart_on": {"type": "list", "elements": "str", "default": []},
            "restart_files": {"type": "list", "elements": "path", "default": []},
            "rewritten": {"type": "bool", "default": False},
            "state_file": {"type": "path", "required": True},
            "address": {"type": "str", "default": "127.0.0.1"},
            "port": {"type": "int", "default": 7373},
            "timeout": {"type": "int", "default": 60},
        },
        required_if=[("supervisor", "process", ["command", "pid_file", "log_file"])],
        supports_check_mode=True,
    )
    params = module.params
    supervised: Supervised
    if params["supervisor"] == "systemd":
        supervised = Unit(module, params["unit"])
    else:
        supervised = Process(params["command"], params["pid_file"], params["log_file"])
    try:
        want = desired(params)
        action = decide(supervised, applied(params["state_file"]), want, params["rewritten"])
        if not module.check_mode:
            if action:
                act(module, supervised, action)
            wait(module, supervised)
            if action:
                files.make_folder(os.path.dirname(params["state_file"]), files.Ownership(-1, -1, 0o700))
                files.write(params["state_file"], json.dumps(want).encode(), files.Ownership(-1, -1, 0o600))
    except (OSError, SystemdError) as error:
        module.fail_json(msg="The key server could not be brought up to date: %s" % error)
    result: dict[str, Any] = {"changed": bool(action), "action": action}
    if action:
        result["diff"] = {"prepared": "+ key server: %s\n" % action}
    module.exit_json(**result)


if __name__ == "__main__":
    main()
