# Copyright: openkes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a MinIO host's environment should be and what it is: file or systemd drop-in, and what MinIO runs with.

Owns the plan of changes. Values of variables other than ours are read and never handed out: the file also holds
MinIO's root password.
"""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple

from ansible_collections.openkes.kes.plugins.module_utils import environment, files

DROPIN = "/etc/systemd/system/%s.d/50-openkes-kms.conf"
KEY_NAME = "MINIO_KMS_KES_KEY_NAME"
_HEADER = "# Written by openkes.kes.kes_minio.\n[Service]\n"


class Refused(Exception):
    """The host must not be touched; the text says why and what to do."""


class Change(NamedTuple):
    """One file to write or (text None) to remove, with lines for a diff that show nothing but ours."""

    path: str
    text: str | None
    before: str
    after: str


def wanted(params: Dict[str, Any]) -> Dict[str, str]:
    """The five variables, in the order they are written."""
    return {
        "MINIO_KMS_KES_ENDPOINT": ",".join(params["endpoints"]),
        "MINIO_KMS_KES_KEY_FILE": params["client_key"],
        "MINIO_KMS_KES_CERT_FILE": params["client_certificate"],
        KEY_NAME: params["key_name"],
        "MINIO_KMS_KES_CAPATH": params["trust"],
    }


def read_text(path: str) -> str | None:
    """The file as text that can be written back byte for byte; None when there is none."""
    data = files.read(path)
    return None if data is None else data.decode("utf-8", "surrogateescape")


def present(path: str) -> Dict[str, str]:
    """Variables of the environment file, by name. Raises Refused for one that systemd would misread."""
    try:
        return environment.values(read_text(path) or "")
    except environment.BrokenFile as error:
        raise Refused("%s: %s. Correct the file, then run the playbook again." % (path, error)) from None


def key_in_use(params: Dict[str, Any]) -> str:
    """Name of the master key that MinIO's environment names before anything is changed, "" for none. Raises Refused."""
    found = present(params["environment_file"]).get(KEY_NAME)
    if not found and params["service"]:
        line = dropin_text({KEY_NAME: params["key_name"]}).splitlines()[-1]
        if line in (read_text(dropin_path(params["service"])) or "").splitlines():
            found = params["key_name"]
    return found or ""


def refuse_conflicts(path: str, names: object) -> None:
    """Raises Refused when variables are there that MinIO does not accept beside ours."""
    found = environment.conflicts(names)
    if found:
        raise Refused(
            "%s sets %s, which MinIO does not accept beside a key server (it would not start). Nothing was changed on"
            " any MinIO host. Remove the line%s, then run the playbook again; if data was encrypted with the old key,"
            " bring that key to the key server first." % (path, " and ".join(found), "" if len(found) == 1 else "s")
        )


def dropin_path(service: str) -> str:
    return DROPIN % (service if service.endswith(".service") else service + ".service")


def plan(params: Dict[str, Any]) -> List[Change]:
    """What has to be written so that MinIO sees our five variables from one place. Raises Refused."""
    values = wanted(params)
    path = params["environment_file"]
    text = read_text(path)
    present(path)
    in_file = params["environment"] == "file"
    changes = []
    goal: Dict[str, str | None] = {name: (value if in_file else None) for name, value in values.items()}
    edited = environment.edit(text or "", goal)
    if edited != (text or ""):
        changes.append(Change(path, edited, ours(text or ""), ours(edited)))
    if params["service"]:
        dropin = dropin_path(params["service"])
        found = read_text(dropin)
        target = None if in_file else dropin_text(values)
        if found != target:
            changes.append(Change(dropin, target, found or "", target or ""))
    return changes


def dropin_text(values: Dict[str, str]) -> str:
    """A drop-in that sets the variables; `%` is doubled, for systemd expands it here."""
    lines = []
    for name, value in values.items():
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
        lines.append('Environment="%s=%s"\n' % (name, escaped))
    return _HEADER + "".join(lines)


def ours(text: str) -> str:
    """Only our own assignments: what a diff may show."""
    return "".join(
        entry.raw.rstrip("\r\n") + "\n" for entry in environment.parse(text) if entry.name in environment.OURS
    )


def unseen(values: Dict[str, str], running: Dict[str, str] | None) -> List[str]:
    """Names of ours that the running MinIO has otherwise or not at all.

    Empty when that cannot be told: not running, or started by something that does not pass MINIO_* on.
    """
    if not running or not any(name.startswith("MINIO_") for name in running):
        return []
    return [name for name, value in values.items() if running.get(name) != value]


def hints(names: object) -> List[str]:
    """Sentences about what looks like a mistake and is no reason to stop."""
    if environment.MISSPELT in set(names):  # type: ignore[call-overload]
        return [
            "%s is no variable of MinIO and is ignored; the right name is MINIO_KMS_KES_CAPATH, which is set now."
            " The line may be removed." % environment.MISSPELT
        ]
    return []
