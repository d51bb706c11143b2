"""What a configuration holds, converted and checked. Must not read files or the environment."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import ClassVar

from openkes.keystore import KeyStore
from openkes.keystore.cache import Expiry
from openkes.keystore.lifecycle import DEFAULT_WAIT
from openkes.policy import Policy

#: Key of a field's metadata: servers of a group may differ in it. Of secrets and paths it goes without saying.
OF_HOST = "of_host"

DEFAULT_ADDRESS = ("0.0.0.0", 7373)  # noqa: S104 - the documented default: every interface


@dataclass(frozen=True, slots=True)
class Proxy:
    """Identities of TLS proxies, and the header in which they forward a client's certificate (URL-escaped PEM)."""

    identities: frozenset[str] = frozenset()
    header: str = "X-Tls-Client-Cert"


@dataclass(frozen=True, slots=True)
class TLS:
    """Paths of PEM files. `verify_clients`: `tls.auth: on`. `client_ca` None with it: the system's roots."""

    key: Path
    cert: Path
    password: str | None = field(default=None, repr=False)
    verify_clients: bool = False
    client_ca: Path | None = None
    proxy: Proxy = field(default_factory=Proxy)


@dataclass(frozen=True, slots=True)
class RouteSettings:
    """What `api:` changes of one route; `timeout` in seconds, None: as it is."""

    skip_auth: bool = False
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class PolicySettings:
    policy: Policy
    identities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Log:
    error: bool = True
    audit: bool = True


@dataclass(frozen=True, slots=True)
class Audit:
    """Where audit lines go: `output` is file, stdout or syslog. `required`: no answer with key matter without its
    line. `chain`: each line names the one before. `syslog` is the socket."""

    output: str = "stdout"
    file: Path | None = None
    required: bool = False
    chain: bool = False
    syslog: str = "/dev/log"

    @property
    def where(self) -> str:
        """For people."""
        return {"file": str(self.file), "stdout": "standard output", "syslog": "syslog"}[self.output]


class SealSource(Enum):
    """Members as they are written in the file."""

    FILE = "file"
    CREDENTIAL = "credential"
    PASSPHRASE_FILE = "passphrase_file"  # noqa: S105 - the name of a setting


@dataclass(frozen=True, slots=True)
class Seal:
    """Where the sealing key is: a path, or the name of a systemd credential."""

    source: SealSource
    where: str = field(metadata={OF_HOST: True})


class KeyStoreSettings(ABC):
    """What `keystore:` says of one kind of store; a frozen dataclass each, of which equal ones mean the same store.

    `lasting`: keys outlive the server. `hint`: what to look at when the store cannot be opened."""

    lasting: ClassVar[bool] = True
    hint: ClassVar[str] = ""

    @abstractmethod
    def open(self, initialise: bool = True) -> KeyStore:
        """The store, to be closed by the caller. `initialise` False: only look, make nothing. Unreachable,
        OperatorError, OSError."""

    @abstractmethod
    def describe(self) -> str:
        """For people, without secrets: `folder /var/lib/kes, sealed`."""

    def place(self) -> Hashable:
        """Where the entries lie, whatever else is set."""
        return self

    def absent(self) -> str:
        """What is not there yet, and `open` would make; "" for a store that is there."""
        return ""

    def check_absent(self) -> None:
        """OperatorError if what is `absent` cannot be made either."""
        return


@dataclass(frozen=True, slots=True)
class Config:
    """`admin` is an identity, or None where it is disabled. `keys` are made at start if absent. `deletion_wait`:
    seconds before a deleted key is gone for good, 0 for at once."""

    tls: TLS
    keystore: KeyStoreSettings
    address: tuple[str, int] = DEFAULT_ADDRESS
    admin: str | None = None
    api: dict[str, RouteSettings] = field(default_factory=dict)
    policies: dict[str, PolicySettings] = field(default_factory=dict)
    cache: Expiry = field(default_factory=Expiry)
    log: Log = field(default_factory=Log)
    audit: Audit = field(default_factory=Audit)
    keys: tuple[str, ...] = ()
    deletion_wait: float = DEFAULT_WAIT
