"""`keystore.etcd`: one etcd, or the members of a cluster."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import ClassVar

from openkes.config import secret, values
from openkes.config.keystores.client_tls import client_tls
from openkes.config.node import Node
from openkes.config.schema import KeyStoreSettings
from openkes.config.secret import Secret
from openkes.keystore import KeyStore
from openkes.keystore.http import ClientTLS

DEFAULT_PREFIX = "/openkes/keys/"


@dataclass(frozen=True, slots=True)
class EtcdSettings(KeyStoreSettings):
    """`endpoints` are members of one cluster. `user` and `password`: both or neither."""

    endpoints: tuple[str, ...]
    prefix: str = DEFAULT_PREFIX
    user: str | None = None
    password: Secret | None = None
    tls: ClientTLS = field(default_factory=ClientTLS)
    hint: ClassVar[str] = "keystore.etcd.endpoint names the members of the cluster; `etcdctl endpoint health` asks them"

    def open(self, initialise: bool = True) -> KeyStore:
        from openkes.keystore.etcd import EtcdStore  # noqa: PLC0415 - as every kind: loaded when it is opened
        from openkes.keystore.etcd.login import Login  # noqa: PLC0415

        login = Login(self.user, self.password.read) if self.user and self.password else None
        return EtcdStore(self.endpoints, self.prefix, self.tls, login)

    def describe(self) -> str:
        return f"etcd {', '.join(self.endpoints)}, prefix {self.prefix}"

    def place(self) -> Hashable:
        return "etcd", frozenset(self.endpoints), self.prefix


def settings(node: Node) -> EtcdSettings:
    keys = node.known("endpoint", "prefix", "user", "password", "tls")
    if "endpoint" not in keys:
        raise node.error(
            "'keystore.etcd.endpoint' is missing", "name a member, or all: https://etcd-1.example.com:2379"
        )
    for one, other in (("user", "password"), ("password", "user")):
        if one in keys and other not in keys:
            raise keys[one].error(f"'keystore.etcd.{other}' is missing", "a login needs both, user and password")
    return EtcdSettings(
        endpoints=values.urls(keys["endpoint"]),
        prefix=_prefix(keys["prefix"]) if "prefix" in keys else DEFAULT_PREFIX,
        user=values.text(keys["user"]) if "user" in keys else None,
        password=secret.settings(keys["password"]) if "password" in keys else None,
        tls=client_tls(keys["tls"]) if "tls" in keys else ClientTLS(),
    )


def _prefix(node: Node) -> str:
    text = values.text(node)
    # Without it /kes and /kes-test would hold keys of each other.
    if not text.endswith("/"):
        raise node.error(f"'{node.path}' is '{text}'", f"end it with a slash: {text}/")
    return text
