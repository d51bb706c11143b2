"""Questions that scenarios' tests ask a host over SSH. Hosts have Python and OpenSSL, no curl and no kes client.

`host` is a testinfra host with sudo. Nothing here knows how roles do what they do.
"""

from __future__ import annotations

import base64
import json
import os
import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import testinfra

WITHIN = 60.0  # seconds in which a service must be back after a restart or a reboot

_KES = """
import json, ssl, sys, urllib.error, urllib.request
url, method, cert, key, ca, body = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
context.load_cert_chain(cert, key)
request = urllib.request.Request(url, method=method, data=body.encode() or None)
try:
    answer = urllib.request.urlopen(request, context=context, timeout=20)
except urllib.error.HTTPError as error:
    answer = error
print(json.dumps([answer.status, answer.read().decode()]))
"""

_HTTP = """
import base64, json, sys, urllib.error, urllib.request
url, method, body = sys.argv[1:]
request = urllib.request.Request(url, method=method, data=base64.b64decode(body) or None)
try:
    answer = urllib.request.urlopen(request, timeout=20)
except urllib.error.HTTPError as error:
    answer = error
except OSError as error:
    print(json.dumps([0, base64.b64encode(str(error).encode()).decode(), {}]))
    raise SystemExit
print(json.dumps([answer.status, base64.b64encode(answer.read()).decode(), dict(answer.headers)]))
"""


def connect(name: str) -> Any:
    """Return the testinfra host of that name in the scenario that runs."""
    config = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "ssh_config"
    return testinfra.get_host(f"ssh://{name}", ssh_config=str(config), sudo=True)


def kes(
    host: Any,
    method: str,
    url: str,
    body: object = None,
    *,
    cert: str = "/etc/openkes/client.crt",
    key: str = "/etc/openkes/client.key",
    ca: str = "/etc/openkes/ca.crt",
) -> tuple[int, Any]:
    """Call a key server from the host with an identity that lies there; (status, decoded JSON or None)."""
    text = "" if body is None else json.dumps(body)
    status, answer = _python(host, _KES, url, method, cert, key, ca, text)
    return status, json.loads(answer) if answer else None


def http(host: Any, method: str, url: str, data: bytes = b"") -> tuple[int, bytes, dict[str, str]]:
    """Call a plain HTTP service from the host; (status, body, headers), status 0 when nothing answers."""
    status, body, headers = _python(host, _HTTP, url, method, base64.b64encode(data).decode())
    return status, base64.b64decode(body), headers


def files_with_private_keys(host: Any) -> set[str]:
    """Return all files of the host that hold a private key in PEM, the host's own SSH keys aside."""
    # The pattern is split so that this very command line, or a copy of it in a log, is no hit.
    found = host.run(
        "grep -rlsE --exclude='*.py' --exclude='*.pyc' -e '-----BEGIN ([A-Z]+ )?PRIVAT[E] KEY'"
        " /etc /home /opt /root /srv /tmp /var"
    ).stdout
    return {path for path in found.splitlines() if not path.startswith("/etc/ssh/")}


def invocation(host: Any, unit: str) -> str:
    """Return what changes with every start of a unit."""
    return str(host.check_output(f"systemctl show --value -p InvocationID {unit}"))


def eventually(question: Callable[[], object], what: str) -> None:
    """Wait until the question is answered with yes; AssertionError after WITHIN seconds."""
    deadline = time.monotonic() + WITHIN
    while not question():
        assert time.monotonic() < deadline, f"not within {WITHIN:.0f} s: {what}"
        time.sleep(0.2)


def reboot(host: Any) -> None:
    """Restart the machine and wait until it is up again."""
    host.run("touch /run/before-reboot; systemctl reboot")

    def back() -> bool:
        # A connection of the old boot may hang or break: both mean not yet.
        state = host.backend.run_local(
            f"ssh -F {shlex.quote(host.backend.ssh_config)} -o ControlPath=none {host.backend.host.name} "
            "'test ! -e /run/before-reboot && systemctl is-system-running --wait'"
        )
        return state.rc == 0 or b"degraded" in state.stdout_bytes

    eventually(back, f"{host.backend.host.name} back after a reboot")


def _python(host: Any, program: str, *arguments: str) -> Any:
    command = " ".join(shlex.quote(word) for word in ("python3", "-c", program, *arguments))
    return json.loads(host.run_expect([0], command).stdout)
