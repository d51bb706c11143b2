#!/usr/bin/python
# Copyright: openkes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The managed host's half of `release`: a virtual environment for each release and a link to the current one."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release
short_description: Install a release of the key server beside the others and switch to it
version_added: 0.1.0
description:
  - Installs the wheels of a folder on the controller into a virtual environment of their own, C(BASE/RELEASE), and
    switches the link C(BASE/current) to it in one step. Going back is switching back.
  - The release is named after the version and the contents of the folder, so other wheels of the same version are
    another release.
options:
  base:
    description: Folder of releases on the host.
    type: path
    default: /opt/openkes
  wheelhouse:
    description:
      - Folder on the controller with the wheels of openkes. With those of its dependencies beside them no index is
        asked.
    type: path
  version:
    description: Version to install from a package index, when O(wheelhouse) is not set.
    type: str
  index_url:
    description: The package index, when it is not the host's own default.
    type: str
  engine:
    description:
      - Whether the compiled engine is a must (V(required)), taken when the host can (V(preferred)), or left out
        (V(python)).
    type: str
    choices: [required, preferred, python]
    default: required
  python:
    description: Python interpreter of the host, 3.11 or later, that the key server runs on.
    type: str
    default: python3
  extras:
    description: Extras of the Python package, such as that of a key store.
    type: list
    elements: str
    default: []
  activate:
    description:
      - Whether to switch to it. Without, it is only made ready, so that its checks can run before anything is replaced.
    type: bool
    default: true
  keep:
    description: How many releases stay on the host.
    type: int
    default: 3
  step:
    description: Used between the controller and the host. Leave it alone.
    type: str
    choices: [report, apply]
    default: report
  release:
    description: Used between the controller and the host. Leave it alone.
    type: str
  archive:
    description: Used between the controller and the host. Leave it alone.
    type: path
  with_engine:
    description: Used between the controller and the host. Leave it alone.
    type: bool
    default: true
  offline:
    description: Used between the controller and the host. Leave it alone.
    type: bool
    default: false
attributes:
  check_mode:
    description: Says whether a release would be installed or switched to.
    support: full
  diff_mode:
    description: Names the releases before and after.
    support: full
author:
  - openkes contributors (@openkes)
"""

EXAMPLES = r"""
- name: The program
  openkes.kes.release:
    wheelhouse: wheels/
"""

RETURN = r"""
release:
  description: Name of the release.
  returned: success
  type: str
version:
  description: Version of the key server.
  returned: success
  type: str
has_engine:
  description: Whether the release has the compiled engine, or will have it where it is not installed yet.
  returned: success
  type: bool
"""

import glob
import os
import shutil
import tarfile
import tempfile
from typing import Any

from ansible.module_utils.basic import AnsibleModule

COMPLETE = ".complete"  # written last: a folder without it is what an interrupted run left behind


def current(base: str) -> str:
    """Name of the release that the link points to, "" when there is none."""
    try:
        return os.path.basename(os.readlink(os.path.join(base, "current")))
    except OSError:
        return ""


def wants_engine(params: dict[str, Any]) -> bool:
    """Whether the compiled engine is to be installed."""
    return bool(params["engine"] == "required" or (params["engine"] == "preferred" and params["with_engine"]))


def has_engine(base: str, release: str) -> bool:
    """Whether an installed release has the compiled engine."""
    return bool(glob.glob(os.path.join(glob.escape(base), release, "lib/python3*/site-packages/openkes_engine")))


def report(module: AnsibleModule) -> dict[str, Any]:
    """What is there, and whether something is to be done."""
    params = module.params
    base, release = params["base"], params["release"]
    installed = os.path.exists(os.path.join(base, release, COMPLETE))
    before = current(base)
    changed = not installed or (params["activate"] and before != release)
    result = {
        "changed": changed,
        "installed": installed,
        "release": release,
        "version": params["version"],
        "has_engine": has_engine(base, release) if installed else wants_engine(params),
    }
    if changed and params["activate"]:
        result["diff"] = {"before": before and "%s\n" % before, "after": "%s\n" % release}
    elif changed:
        result["diff"] = {"prepared": "+ release %s\n" % release}
    return result


def run(module: AnsibleModule, *command: str) -> str:
    """The command's output; fails the module with its last lines."""
    code, out, err = module.run_command(list(command), umask=0o022)
    if code != 0:
        lines = [line for line in (err or out).strip().splitlines() if line.strip()]
        module.fail_json(
            msg="The release %s could not be installed, and the one in use stays: %s"
            % (module.params["release"], " ".join(lines[-3:]))
        )
    return str(out)


def wanted(version: str, extras: list[str], engine: bool) -> str:
    """What pip is told to install, `openkes[engine,vault]==1.2.0`."""
    names = sorted({*extras, *(["engine"] if engine else [])})
    return "openkes%s==%s" % ("[%s]" % ",".join(names) if names else "", version)


def install(module: AnsibleModule, target: str) -> None:
    """Make the virtual environment and prove that its program runs."""
    params = module.params
    shutil.rmtree(target, ignore_errors=True)
    os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)
    run(module, params["python"], "-m", "venv", target)
    python = os.path.join(target, "bin", "python")
    pip = [python, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
    engine = wants_engine(params)
    with tempfile.TemporaryDirectory(dir=module.tmpdir) as folder:
        if params["archive"]:
            with tarfile.open(params["archive"]) as archive:
                for member in archive.getmembers():
                    # Flat names only: an archive of wheels has no business elsewhere.
                    if member.isfile() and "/" not in member.name and member.name.endswith(".whl"):
                        archive.extract(member, folder)
        source = ["--find-links", folder] if params["archive"] else []
        if params["offline"]:
            source.append("--no-index")
        elif params["index_url"]:
            source += ["--index-url", params["index_url"]]
        requirement = wanted(params["version"], params["extras"], engine)
        code, _out, err = module.run_command([*pip, *source, requirement], umask=0o022)
        if code != 0 and params["engine"] == "preferred" and engine:
            module.warn("The engine does not fit this host, so the key server runs on its Python twin.")
            requirement = wanted(params["version"], params["extras"], False)
            code, _out, err = module.run_command([*pip, *source, requirement], umask=0o022)
        if code != 0:
            lines = [line for line in err.strip().splitlines() if line.strip()]
            module.fail_json(
                msg="The release %s could not be installed, and the one in use stays. Pip says: %s"
                % (params["release"], " ".join(lines[-3:]))
            )
    run(module, os.path.join(target, "bin", "kes"), "--version")
    if params["engine"] == "required":
        run(module, python, "-c", "import openkes_engine")
    with open(os.path.join(target, COMPLETE), "w") as file:
        file.write(params["version"] + "\n")


def switch(base: str, release: str) -> None:
    """Point `current` to the release in one step."""
    temporary = os.path.join(base, ".current.new")
    if os.path.lexists(temporary):
        os.unlink(temporary)
    os.symlink(release, temporary)
    os.replace(temporary, os.path.join(base, "current"))


def clean(base: str, keep: int) -> None:
    """Remove the oldest releases, never the current one."""
    now = current(base)
    others = [
        entry.path
        for entry in os.scandir(base)
        if entry.is_dir(follow_symlinks=False) and entry.name != now and not entry.name.startswith(".")
    ]
    others.sort(key=os.path.getmtime, reverse=True)
    for path in others[max(keep - 1, 0) :]:
        if os.path.exists(os.path.join(path, "pyvenv.cfg")):
            shutil.rmtree(path, ignore_errors=True)


def main() -> None:
    """Entry point of the module on the managed host."""
    module = AnsibleModule(
        argument_spec={
            "base": {"type": "path", "default": "/opt/openkes"},
            "wheelhouse": {"type": "path"},
            "version": {"type": "str"},
            "index_url": {"type": "str"},
            "engine": {"type": "str", "choices": ["required", "preferred", "python"], "default": "required"},
            "python": {"type": "str", "default": "python3"},
            "extras": {"type": "list", "elements": "str", "default": []},
            "activate": {"type": "bool", "default": True},
            "keep": {"type": "int", "default": 3},
            "step": {"type": "str", "choices": ["report", "apply"], "default": "report"},
            "release": {"type": "str"},
            "archive": {"type": "path"},
            "with_engine": {"type": "bool", "default": True},
            "offline": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    params = module.params
    result = report(module)
    if params["step"] == "report" or not result["changed"]:
        module.exit_json(**result)
    try:
        if not result["installed"]:
            install(module, os.path.join(params["base"], params["release"]))
            result["has_engine"] = has_engine(params["base"], params["release"])
        if params["activate"]:
            switch(params["base"], params["release"])
            clean(params["base"], params["keep"])
    except OSError as error:
        module.fail_json(msg="The release could not be installed, and the one in use stays: %s." % error)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
