# Copyright: openkes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The section `keystore` of a key server: which extra it needs, and where its credentials are. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: The name of the systemd credential that holds the sealing key of the fs store.
SEAL = "kes-seal"
#: Extras of the Python package that bring what a kind needs beyond its dependencies.
EXTRAS = ("vault", "postgres", "aws", "gcp", "azure")


def kind(keystore: Mapping[str, Any]) -> str:
    """The one kind that is named. Raises ValueError."""
    if len(keystore) != 1:
        raise ValueError(
            f"kes_server_keystore names {len(keystore)} kinds of store ({', '.join(sorted(keystore)) or 'none'}):"
            " name one"
        )
    return str(next(iter(keystore)))


def extras(keystore: Mapping[str, Any]) -> list[str]:
    """What pip installs beside the server."""
    return [name for name in EXTRAS if name == kind(keystore)]


def given(keystore: Mapping[str, Any]) -> dict[str, Any]:
    """The section without settings that an argument spec filled with nothing."""
    return {name: _given(value) for name, value in keystore.items() if value is not None}


def _given(value: Any) -> Any:
    if isinstance(value, Mapping):
        return given(value)
    if isinstance(value, (list, tuple)):
        return [_given(item) for item in value]
    return value


def named(keystore: Any) -> list[str]:
    """The systemd credentials that the section names, sorted."""
    if isinstance(keystore, Mapping):
        if list(keystore) == ["credential"]:
            return [str(keystore["credential"])]
        return sorted({name for value in keystore.values() for name in named(value)})
    return []


def credentials(
    keystore: Mapping[str, Any], given_by: Mapping[str, Mapping[str, Any]], folder: str
) -> list[dict[str, Any]]:
    """Each credential of `given_by` as `{name, path, written, encrypted}`, sorted by name: the file on the key server
    that systemd reads, and whether the role writes it, into `folder`. Raises ValueError for one that is named and not
    given, and the other way round."""
    wanted = set(named(keystore))
    if missing := sorted(wanted - set(given_by)):
        raise ValueError(
            f"kes_server_keystore names the credential {', '.join(missing)}, which kes_server_credentials does not have"
        )
    if unused := sorted(set(given_by) - wanted):
        raise ValueError(
            f"kes_server_credentials has {', '.join(unused)}, which kes_server_keystore does not name: write"
            " {credential: NAME} where the secret belongs"
        )
    found = []
    for name in sorted(given_by):
        source = {key: value for key, value in given_by[name].items() if value is not None}
        if ("value" in source) == ("file" in source):
            raise ValueError(f"kes_server_credentials.{name}: give exactly one of value and file")
        if source.get("encrypted") and "value" in source:
            raise ValueError(f"kes_server_credentials.{name}: only a file can be encrypted by systemd-creds")
        found.append(
            {
                "name": name,
                "path": str(source.get("file") or f"{folder}/{name}"),
                "written": "value" in source,
                "encrypted": bool(source.get("encrypted")),
            }
        )
    return found


def certificate_files(keystore: Any) -> list[str]:
    """The TLS files that the section names, which the server reads at its start only; sorted."""
    if not isinstance(keystore, Mapping):
        return []
    found = {path for value in keystore.values() for path in certificate_files(value)}
    tls = keystore.get("tls")
    if isinstance(tls, Mapping):
        found |= {str(tls[name]) for name in ("ca", "cert", "key") if tls.get(name)}
    return sorted(found)


def secret_files(keystore: Any) -> list[str]:
    """The files with secrets that the section names as `{file: PATH}`; sorted."""
    if not isinstance(keystore, Mapping):
        return []
    if list(keystore) == ["file"]:
        return [str(keystore["file"])]
    return sorted({path for value in keystore.values() for path in secret_files(value)})


def loaded(given_by: list[dict[str, Any]], seal_key: str, seal_encrypted: bool) -> list[dict[str, Any]]:
    """What systemd hands to the server, the sealing key first."""
    seal = [{"name": SEAL, "path": seal_key, "encrypted": seal_encrypted}] if seal_key else []
    return [*seal, *given_by]


def check_command(
    items: list[dict[str, Any]], staged: list[str], program: str, supervisor: str, staged_files: list[str] | None = None
) -> str:
    """`kes server check` as the server will run: with its credentials, those about to be replaced (`staged`, beside the
    old ones as `PATH.new`) already replaced, and so the files at the paths `staged_files`."""
    check = f"{program} server check"
    if not (items or staged_files) or supervisor != "systemd":
        return check
    properties = [
        f"--property=LoadCredential{'Encrypted' if item['encrypted'] else ''}={item['name']}:"
        f"{item['path']}{'.new' if item['name'] in staged else ''}"
        for item in items
    ]
    properties += [f"--property=BindReadOnlyPaths={path}.new:{path}" for path in staged_files or []]
    return " ".join(["systemd-run --quiet --wait --pipe --collect", *properties, check])


def with_files(keystore: Any, files: Mapping[str, str]) -> Any:
    """The section for a server that systemd does not start: credentials become the files they are in."""
    if isinstance(keystore, Mapping):
        if list(keystore) == ["credential"] and keystore["credential"] in files:
            return {"file": files[keystore["credential"]]}
        return {name: with_files(value, files) for name, value in keystore.items()}
    return keystore
