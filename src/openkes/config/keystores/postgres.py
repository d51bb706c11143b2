"""`keystore.postgres`: a PostgreSQL, or the hosts of a cluster of which one takes writes."""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import ClassVar

from openkes.config import secret, values
from openkes.config.keystores.client_tls import client_tls
from openkes.config.keystores.extra import needs
from openkes.config.node import Node
from openkes.config.schema import KeyStoreSettings
from openkes.config.secret import Secret
from openkes.errors import OperatorError
from openkes.keystore import KeyStore, Unreachable
from openkes.keystore.http import ClientTLS
from openkes.keystore.postgres.target import DEFAULT_PORT, Host, Table, Target

DEFAULT_DATABASE = "openkes"
DEFAULT_SCHEMA = "openkes"
DEFAULT_TABLE = "keys"
_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]{0,39}", re.ASCII)  # PostgreSQL cuts at 63, and some names get an ending
_HOST = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::(?P<port>[0-9]{1,5}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class PostgresSettings(KeyStoreSettings):
    """`hosts` of one cluster. `password` None: by client certificate, or as the user of the operating system."""

    hosts: tuple[Host, ...]
    user: str
    password: Secret | None = None
    database: str = DEFAULT_DATABASE
    schema: str = DEFAULT_SCHEMA
    table: str = DEFAULT_TABLE
    tls: ClientTLS = field(default_factory=ClientTLS)
    hint: ClassVar[str] = (
        "keystore.postgres names hosts, database and user; `psql` with the same says whether it answers"
    )

    def open(self, initialise: bool = True) -> KeyStore:
        with needs("postgres"):
            from openkes.keystore.postgres.store import PostgresStore  # noqa: PLC0415 - psycopg is loaded when chosen

        return PostgresStore(self._target(), self._table(), initialise)

    def describe(self) -> str:
        return f"PostgreSQL {', '.join(map(str, self.hosts))}, table {self.schema}.{self.table} in {self.database}"

    def place(self) -> Hashable:
        return "postgres", frozenset(self.hosts), self.database, self.schema, self.table

    def absent(self) -> str:
        with needs("postgres"):
            from openkes.keystore.postgres.absent import is_absent  # noqa: PLC0415

        try:
            found = is_absent(self._target(), self._table())
        except Unreachable as error:
            raise OperatorError(str(error), self.hint) from None
        return f"there is no table {self._table()} yet" if found else ""

    def check_absent(self) -> None:
        with needs("postgres"):
            from openkes.keystore.postgres.absent import may_make  # noqa: PLC0415

        try:
            may = may_make(self._target(), self._table())
        except Unreachable as error:
            raise OperatorError(str(error), self.hint) from None
        if not may:
            raise OperatorError(
                f"there is no table {self._table()}, and {self.user} may not make it",
                "run the SQL of docs/stores/postgres.md, Least permissions, as an administrator of the database",
            )

    def _target(self) -> Target:
        password = self.password.read if self.password else None
        return Target(self.hosts, self.database, self.user, password, self.tls)

    def _table(self) -> Table:
        return Table(self.schema, self.table)


def settings(node: Node) -> PostgresSettings:
    keys = node.known("endpoint", "database", "user", "password", "schema", "table", "tls")
    for name, hint in (("endpoint", "name its hosts: db-1.example.com:5432"), ("user", "name a role that may log in")):
        if name not in keys:
            raise node.error(f"'keystore.postgres.{name}' is missing", hint)
    hosts = _hosts(keys["endpoint"])
    tls = client_tls(keys["tls"]) if "tls" in keys else ClientTLS()
    if tls.ca is None and not all(host.is_here for host in hosts):
        raise keys["endpoint"].error(
            "'keystore.postgres.tls.ca' is missing: a server on another machine must prove who it is",
            "name the authority of its certificate; of public ones: /etc/ssl/certs/ca-certificates.crt",
        )
    return PostgresSettings(
        hosts=hosts,
        user=values.text(keys["user"]),
        password=secret.settings(keys["password"]) if "password" in keys else None,
        database=values.text(keys["database"]) if "database" in keys else DEFAULT_DATABASE,
        schema=_identifier(keys["schema"]) if "schema" in keys else DEFAULT_SCHEMA,
        table=_identifier(keys["table"]) if "table" in keys else DEFAULT_TABLE,
        tls=tls,
    )


def _hosts(node: Node) -> tuple[Host, ...]:
    found = tuple(dict.fromkeys(_host(item) for item in node.one_or_more()))
    if not found:
        raise node.error(f"'{node.path}' is empty", "write HOST:PORT, or a list of them")
    return found


def _host(node: Node) -> Host:
    """`HOST`, `HOST:PORT`, `[ADDRESS]:PORT`, or the folder of a socket, also with a port behind a colon."""
    text = values.text(node)
    if text.startswith("/"):
        folder, _, port = text.partition(":")
        return Host(folder, _port(node, port))
    match = _HOST.fullmatch(text)
    if match is None:
        # What people write here in its place is a URL with the password in it: not to be shown.
        raise node.error(
            f"'{node.path}' is not a host",
            "write HOST:PORT or the folder of a socket; user, password and database are settings of their own",
        )
    return Host(match["six"] or match["name"], _port(node, match["port"] or ""))


def _port(node: Node, text: str) -> int:
    if not text:
        return DEFAULT_PORT
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise node.error(f"'{node.path}' has the port '{text}'", "write a number from 1 to 65535")
    return int(text)


def _identifier(node: Node) -> str:
    text = values.text(node)
    if _IDENTIFIER.fullmatch(text) is None:
        raise node.error(f"'{node.path}' is '{text}'", "use up to 40 of a-z 0-9 _, and no digit first")
    return text
