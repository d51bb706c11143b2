"""`keystore.vault.approle` and `.kubernetes`: how a key server logs in."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from openkes.config import secret, values
from openkes.config.keystores.given import given
from openkes.config.node import Node
from openkes.config.secret import Secret
from openkes.errors import OperatorError
from openkes.keystore.vault import login

DEFAULT_RETRY = 2.0  # seconds
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")  # where Kubernetes puts it
_MAX_JWT = 64 * 1024  # bytes
_PATH = re.compile(r"(?!.*[?#%])[!-~]+")


@dataclass(frozen=True, slots=True)
class AppRole:
    """`namespace` is where the method is mounted."""

    role_id: Secret
    secret_id: Secret
    engine: str = "approle"
    namespace: str = ""
    retry: float = DEFAULT_RETRY

    def open(self) -> login.Login:
        return login.AppRole(self.role_id.read, self.secret_id.read, self.engine, self.namespace, self.retry)


@dataclass(frozen=True, slots=True)
class Kubernetes:
    """`jwt`: the token itself, or the file that holds it, read anew for each login."""

    role: str
    jwt: Secret | Path = SERVICE_ACCOUNT
    engine: str = "kubernetes"
    namespace: str = ""
    retry: float = DEFAULT_RETRY

    def open(self) -> login.Login:
        return login.Kubernetes(self.role, _reader(self.jwt), self.engine, self.namespace, self.retry)


LoginSettings = AppRole | Kubernetes


def settings(node: Node, keys: dict[str, Node], data_namespace: str) -> LoginSettings:
    """Of exactly one of the sections `approle` and `kubernetes` in `keys`. ConfigError."""
    chosen = [name for name in ("approle", "kubernetes") if name in keys]
    if len(chosen) != 1:
        raise node.error(
            f"'{node.path}' names {len(chosen)} logins", "write exactly one of the sections approle and kubernetes"
        )
    if chosen == ["approle"]:
        return _approle(keys["approle"], data_namespace)
    return _kubernetes(keys["kubernetes"], data_namespace)


def namespace(node: Node) -> str:
    """`a/b`; "" for `/`, the root."""
    return "" if node.text() == "/" else path(node)


def path(node: Node) -> str:
    """Of an engine, a folder or a namespace, without slashes at its ends."""
    text = node.text().strip("/")
    if _PATH.fullmatch(text) is None or any(part in ("", ".", "..") for part in text.split("/")):
        raise node.error(f"'{node.path}' is '{node.text()}', which is no path there", "write it like kv or team/kes")
    return text


def _approle(node: Node, data_namespace: str) -> AppRole:
    keys = given(node, "engine", "namespace", "id", "secret", "retry")
    for name in ("id", "secret"):
        if name not in keys:
            raise node.error(f"'{node.path}.{name}' is missing", "a login needs both, id and secret")
    return AppRole(
        role_id=secret.settings(keys["id"]),
        secret_id=secret.settings(keys["secret"]),
        engine=path(keys["engine"]) if "engine" in keys else "approle",
        namespace=namespace(keys["namespace"]) if "namespace" in keys else data_namespace,
        retry=_retry(keys),
    )


def _kubernetes(node: Node, data_namespace: str) -> Kubernetes:
    keys = given(node, "engine", "namespace", "role", "jwt", "file", "retry")
    if "role" not in keys:
        raise node.error(f"'{node.path}.role' is missing", "name the role that is bound to the service account")
    if "jwt" in keys and "file" in keys:
        raise keys["file"].error(f"'{node.path}' has both, jwt and file", "keep one of them; file is read anew")
    return Kubernetes(
        role=values.text(keys["role"]),
        jwt=_jwt(keys),
        engine=path(keys["engine"]) if "engine" in keys else "kubernetes",
        namespace=namespace(keys["namespace"]) if "namespace" in keys else data_namespace,
        retry=_retry(keys),
    )


def _retry(keys: dict[str, Node]) -> float:
    return max(values.duration(keys["retry"]), 0.1) if "retry" in keys else DEFAULT_RETRY


def _jwt(keys: dict[str, Node]) -> Secret | Path:
    if "file" in keys:
        return values.path(keys["file"])
    if "jwt" not in keys:
        return SERVICE_ACCOUNT
    jwt = keys["jwt"]
    if jwt.is_scalar and jwt.text().startswith("/"):  # which no JWT does
        return values.path(jwt)
    return secret.settings(jwt)


def _reader(jwt: Secret | Path) -> Callable[[], str]:
    return jwt.read if isinstance(jwt, Secret) else lambda: _read(jwt)


def _read(file: Path) -> str:
    """Whatever its mode: Kubernetes makes it 0644, in a pod that is nobody else's."""
    try:
        with file.open("rb") as stream:
            text = stream.read(_MAX_JWT).decode("ascii").strip()
    except OSError as error:
        raise OperatorError(
            f"cannot read {file} (keystore.vault.kubernetes): {error.strerror}",
            "let the pod have a service account token, or name its file as keystore.vault.kubernetes.file",
        ) from None
    except UnicodeDecodeError:
        text = ""
    if not text:
        raise OperatorError(f"{file} (keystore.vault.kubernetes) holds no token", "name the file with the JWT")
    return text
