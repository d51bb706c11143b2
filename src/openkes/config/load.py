"""From a file to a `Config`. The only place below the command line that reads the environment.

An unknown or a duplicate key is an error with file, line and the nearest known name.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from openkes import api
from openkes.config import keystores, values
from openkes.config.node import ConfigError, Node, read
from openkes.config.schema import (
    DEFAULT_ADDRESS,
    TLS,
    Audit,
    Config,
    KeyStoreSettings,
    Log,
    PolicySettings,
    Proxy,
    RouteSettings,
)
from openkes.keystore.cache import Expiry
from openkes.keystore.lifecycle import DEFAULT_WAIT
from openkes.policy import Policy

_T = TypeVar("_T")


def load(file: Path) -> Config:
    """ConfigError names file, line, cause and next step."""
    root = read(file)
    keys = root.known(
        "version", "address", "admin", "tls", "api", "policy", "cache", "log", "audit", "keys", "keystore", "deletion"
    )  # fmt: skip
    _version(root, keys)
    for needed in ("tls", "keystore"):
        if needed not in keys:
            raise root.error(f"section '{needed}' is missing", _MISSING[needed])
    admin = _admin(keys["admin"]) if "admin" in keys else None
    return Config(
        tls=_tls(keys["tls"], admin),
        keystore=keystores.settings(keys["keystore"]),
        address=_get(keys, "address", values.address, DEFAULT_ADDRESS),
        admin=admin,
        api=_get(keys, "api", _api, {}),
        policies=_policies(keys["policy"], admin) if "policy" in keys else {},
        cache=_get(keys, "cache", _cache, Expiry()),
        log=_get(keys, "log", _log, Log()),
        audit=_audit(keys),
        deletion_wait=_get(keys, "deletion", _deletion, DEFAULT_WAIT),
        keys=tuple(_key(item) for item in keys["keys"].items()) if "keys" in keys else (),
    )


def load_keystore(file: Path) -> KeyStoreSettings:
    """The section `keystore` alone: the rest may be missing, or another program's. ConfigError."""
    keys = read(file).section()
    if "keystore" not in keys:
        raise ConfigError(f"{file}: section 'keystore' is missing", _MISSING["keystore"])
    return keystores.settings(keys["keystore"])


def load_lasting(file: Path) -> KeyStoreSettings:
    """As `load_keystore`, of a store that outlives its server. ConfigError."""
    settings = load_keystore(file)
    if not settings.lasting:
        raise ConfigError(f"{file} names a key store that lives in its server only", "name a store that lasts")
    return settings


_MISSING = {
    "tls": "add 'tls:' with 'key:' and 'cert:', the server's private key and certificate",
    "keystore": "add 'keystore:' with 'fs: {path: FOLDER}', or 'memory: {}' for evaluation",
}


def _get(keys: dict[str, Node], name: str, convert: Callable[[Node], _T], default: _T) -> _T:
    return convert(keys[name]) if name in keys else default


def _version(root: Node, keys: dict[str, Node]) -> None:
    if "version" not in keys:
        raise root.error("'version' is missing", "start the file with: version: v1")
    if keys["version"].text() != "v1":
        raise keys["version"].error(f"version '{keys['version'].text()}' is not known", "write: version: v1")


def _admin(node: Node) -> str | None:
    keys = node.known("identity")
    if "identity" not in keys:
        raise node.error("'admin.identity' is missing", "write an identity, or: disabled")
    if keys["identity"].text() == "disabled":
        return None
    return values.identity(keys["identity"])


def _tls(node: Node, admin: str | None) -> TLS:
    keys = node.known("key", "cert", "password", "auth", "ca", "proxy")
    for needed in ("key", "cert"):
        if needed not in keys:
            raise node.error(f"'tls.{needed}' is missing", "name the PEM files of the server's key and certificate")
    return TLS(
        key=values.path(keys["key"]),
        cert=values.path(keys["cert"]),
        password=keys["password"].text() or None if "password" in keys else None,
        verify_clients=_get(keys, "auth", values.switch, False),
        client_ca=values.path(keys["ca"]) if "ca" in keys and keys["ca"].text() else None,
        proxy=_proxy(keys["proxy"], admin) if "proxy" in keys else Proxy(),
    )


def _proxy(node: Node, admin: str | None) -> Proxy:
    keys = node.known("identities", "header")
    identities = set()
    for item in keys["identities"].items() if "identities" in keys else ():
        identity = values.identity(item)
        if identity == admin:
            raise item.error("the admin identity is also that of a proxy", "make the proxy a certificate of its own")
        identities.add(identity)
    header = keys["header"].known("cert") if "header" in keys else {}
    return Proxy(frozenset(identities), _get(header, "cert", values.header, Proxy().header))


def _api(node: Node) -> dict[str, RouteSettings]:
    settings = {}
    for path, route in node.known(*api.BY_PATH).items():
        keys = route.known("skip_auth", "timeout")
        skip = _get(keys, "skip_auth", values.switch, False)
        if skip and not api.BY_PATH[path].may_skip_auth:
            able = ", ".join(spec.path for spec in api.SPECS if spec.may_skip_auth)
            raise keys["skip_auth"].error(f"'{path}' cannot skip authentication", f"only these can: {able}")
        settings[path] = RouteSettings(skip, values.duration(keys["timeout"]) if "timeout" in keys else None)
    return settings


def _policies(node: Node, admin: str | None) -> dict[str, PolicySettings]:
    policies = {}
    owner: dict[str, str] = {}
    for name, section in node.section().items():
        keys = section.known("allow", "deny", "identities")
        identities = []
        for item in keys["identities"].items() if "identities" in keys else ():
            identity = values.identity(item)
            if identity == admin:
                raise item.error(
                    f"the admin identity is also in policy '{name}'",
                    "the admin may do everything: take it out",
                )
            if owner.setdefault(identity, name) != name:
                raise item.error(
                    f"identity {identity} is in policy '{owner[identity]}' and in '{name}'", "keep it in one"
                )
            identities.append(identity)
        allow, deny = (
            tuple(values.rule(item) for item in keys[kind].items()) if kind in keys else ()
            for kind in ("allow", "deny")
        )
        policies[name] = PolicySettings(Policy(allow, deny), tuple(dict.fromkeys(identities)))
    return policies


def _cache(node: Node) -> Expiry:
    keys = node.known("expiry")
    if "expiry" not in keys:
        return Expiry()
    expiry = keys["expiry"].known("any", "unused", "offline")
    default = Expiry()
    return Expiry(
        any=_get(expiry, "any", values.duration, default.any),
        unused=_get(expiry, "unused", values.duration, default.unused),
        offline=_get(expiry, "offline", values.duration, default.offline),
    )


def _log(node: Node) -> Log:
    keys = node.known("error", "audit")
    return Log(error=_get(keys, "error", values.switch, True), audit=_get(keys, "audit", values.switch, True))


_OUTPUTS = ("file", "stdout", "syslog")
_MODES = ("best-effort", "required")


def _audit(keys: dict[str, Node]) -> Audit:
    if "audit" not in keys:
        return Audit()
    node = keys["audit"]
    settings = node.known("output", "file", "mode", "chain", "socket")
    output = values.choice(settings["output"], _OUTPUTS) if "output" in settings else None
    output = output or ("file" if "file" in settings else "stdout")
    if output == "file" and "file" not in settings:
        raise node.error("'audit.output' is file, and 'audit.file' is missing", "name the file: audit.file")
    for setting, owner in (("file", "file"), ("socket", "syslog")):
        if setting in settings and output != owner:
            raise settings[setting].error(
                f"'audit.{setting}' is set, and 'audit.output' is {output}", f"write output: {owner}, or take it out"
            )
    required = "mode" in settings and values.choice(settings["mode"], _MODES) == "required"
    if required and "log" in keys and not _log(keys["log"]).audit:
        raise settings["mode"].error(
            "'audit.mode' is required, and 'log.audit' is off", "switch log.audit on, or write mode: best-effort"
        )
    return Audit(
        output=output,
        file=values.path(settings["file"]) if "file" in settings else None,
        required=required,
        chain=_get(settings, "chain", values.switch, output == "file"),
        syslog=str(values.path(settings["socket"])) if "socket" in settings else Audit().syslog,
    )


def _deletion(node: Node) -> float:
    keys = node.known("wait")
    return _get(keys, "wait", values.duration, DEFAULT_WAIT)


def _key(node: Node) -> str:
    keys = node.known("name")
    if "name" not in keys:
        raise node.error(f"'{node.path}' has no name", "write: - name: my-key")
    return values.name(keys["name"])
