"""Where a PostgreSQL is and who logs in: plain values, and the parameters of libpq that follow from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address

from openkes.keystore.http import ClientTLS

DEFAULT_PORT = 5432
#: A connection that nobody uses is asked for every 30 s: firewalls forget those that are silent.
_KEEPALIVE = {"keepalives": 1, "keepalives_idle": 30, "keepalives_interval": 5, "keepalives_count": 3}
_TCP_USER_TIMEOUT = 10_000  # milliseconds


@dataclass(frozen=True, slots=True)
class Host:
    """`name`: a host name, an address, or the folder of a socket."""

    name: str
    port: int = DEFAULT_PORT

    @property
    def is_here(self) -> bool:
        """On this machine: nobody listens in between."""
        if self.name.startswith("/") or self.name == "localhost":
            return True
        try:
            return ip_address(self.name).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        return f"[{self.name}]:{self.port}" if ":" in self.name else f"{self.name}:{self.port}"


@dataclass(frozen=True, slots=True)
class Target:
    """`hosts` of one cluster, of which one takes writes. `password` None: by certificate or as the operating system's
    user; it is read whenever a connection is made."""

    hosts: tuple[Host, ...]
    database: str
    user: str
    password: Callable[[], str] | None = field(default=None, repr=False)
    tls: ClientTLS = field(default_factory=ClientTLS)

    def parameters(self, host: Host) -> dict[str, str | int]:
        """For libpq, without the password. Each is said, so that none is taken from the environment."""
        found: dict[str, str | int] = {
            "host": host.name,
            "port": host.port,
            "dbname": self.database,
            "user": self.user,
            "application_name": "openkes",
            "client_encoding": "utf8",
            "target_session_attrs": "read-write",
            "gssencmode": "disable",
            "tcp_user_timeout": _TCP_USER_TIMEOUT,
            **_KEEPALIVE,
            "sslmode": "prefer" if host.is_here and self.tls.ca is None else "verify-full",
        }
        files = {"sslrootcert": self.tls.ca, "sslcert": self.tls.cert, "sslkey": self.tls.key}
        return found | {name: str(path) for name, path in files.items() if path is not None}


@dataclass(frozen=True, slots=True)
class Table:
    """Where keys are kept. Beside it there is a table NAME_version."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"
