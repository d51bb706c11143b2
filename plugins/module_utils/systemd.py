# Copyright: openkes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One systemd unit: what it is doing, and the few verbs a rollout needs. Knows no particular service."""

from __future__ import annotations

import os
import re
from typing import Any, Dict, List


class SystemdError(Exception):
    """systemctl refused; the text is its own last line."""


class Unit:
    """A unit by name, through an AnsibleModule."""

    def __init__(self, module: Any, name: str) -> None:
        self._module = module
        self._binary = module.get_bin_path("systemctl")
        self.name = name if "." in name else name + ".service"

    @property
    def available(self) -> bool:
        """Whether this host runs systemd at all."""
        return self._binary is not None and os.path.isdir("/run/systemd/system")

    def _run(self, *arguments: str) -> str:
        code, out, err = self._module.run_command([self._binary, *arguments])
        if code != 0:
            lines = (err or out).strip().splitlines()
            raise SystemdError(lines[-1] if lines else "systemctl %s failed with code %d" % (arguments[0], code))
        return str(out)

    def show(self, *properties: str) -> Dict[str, str]:
        """Properties by name; several lines of one property are joined by line breaks."""
        found: Dict[str, str] = {}
        for line in self._run("show", self.name, *["--property=" + name for name in properties]).splitlines():
            name, _equals, value = line.partition("=")
            found[name] = found[name] + "\n" + value if name in found else value
        return found

    def exists(self) -> bool:
        return self.show("LoadState").get("LoadState") in ("loaded", "masked")

    def active(self) -> bool:
        return self.show("ActiveState").get("ActiveState") in ("active", "reloading")

    def enabled(self) -> bool:
        return self.show("UnitFileState").get("UnitFileState") == "enabled"

    def invocation(self) -> str:
        """Changes with every start of the unit; "" when it has never run."""
        return self.show("InvocationID").get("InvocationID", "")

    def restarts(self) -> int:
        """How often systemd itself started it anew since it was last asked to."""
        return int(self.show("NRestarts").get("NRestarts") or 0)

    def environment_files(self) -> List[str]:
        """Paths that the unit reads its environment from."""
        text = self.show("EnvironmentFiles").get("EnvironmentFiles", "")
        return [re.sub(r" \(ignore_errors=(yes|no)\)$", "", line) for line in text.splitlines() if line]

    def running_environment(self) -> Dict[str, str] | None:
        """Environment of the unit's main process; None when it does not run or cannot be looked at."""
        pid = self.show("MainPID").get("MainPID", "0")
        if pid in ("", "0"):
            return None
        try:
            with open("/proc/%s/environ" % pid, "rb") as file:
                data = file.read()
        except OSError:
            return None
        pairs = [item.decode("utf-8", "surrogateescape").partition("=") for item in data.split(b"\0") if item]
        return {name: value for name, _equals, value in pairs}

    def restart(self) -> None:
        """Ask for a restart and come back at once."""
        self._run("restart", "--no-block", self.name)

    def reload(self) -> None:
        self._run("reload", self.name)

    def enable(self) -> None:
        self._run("enable", self.name)

    def daemon_reload(self) -> None:
        self._run("daemon-reload")
