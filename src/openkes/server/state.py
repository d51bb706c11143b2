"""What a running server knows: the settings of the moment, the keys, when it began.

`Settings` is immutable and swapped as a whole on reload, so that a request sees one of them from start to end.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from openkes import __version__, api
from openkes.config.digest import digest
from openkes.config.schema import Config, Proxy, RouteSettings
from openkes.errors import APIError, Code
from openkes.identity.chain import Authority
from openkes.keystore.cache import KeyCache
from openkes.keystore.lifecycle import Lifecycle
from openkes.policy import Policy
from openkes.server.audit import AuditLog, NoAuditLog, Record
from openkes.server.deadline import Deadline
from openkes.server.logs import Hub
from openkes.server.metrics import Metrics


@dataclass(frozen=True, slots=True, eq=False)
class Settings:
    """`identities` maps an identity to the name of its policy. `loaded_at` in ns since 1970. `digest` is that of what
    the servers of a group have in common."""

    admin: str | None
    policies: dict[str, Policy]
    identities: dict[str, str]
    api: dict[str, RouteSettings]
    loaded_at: int
    proxy: Proxy = field(default_factory=Proxy)
    digest: str = ""

    @classmethod
    def of(cls, config: Config) -> Settings:
        return cls(
            admin=config.admin,
            policies={name: settings.policy for name, settings in config.policies.items()},
            identities={i: name for name, settings in config.policies.items() for i in settings.identities},
            api=config.api,
            loaded_at=time.time_ns(),
            proxy=config.tls.proxy,
            digest=digest(config),
        )


#: Routes of keys, and the one that says whether calls on them would be answered.
_NEED_A_LINE = frozenset(spec.name for spec in api.SPECS if spec.path.startswith("/v1/key/")) | {"ready"}
#: Of these, what cannot be undone by not answering.
_DATA = ("key_generate", "key_encrypt", "key_decrypt", "key_hmac")
_CHANGES = frozenset(
    spec.name
    for spec in api.SPECS
    if spec.path.startswith("/v1/key/") and spec.method != "GET" and spec.name not in _DATA
)


@dataclass(slots=True)
class State:
    settings: Settings
    keys: KeyCache
    audit: AuditLog | NoAuditLog
    lifecycle: Lifecycle
    metrics: Metrics = field(default_factory=Metrics)
    audit_lines: Hub = field(default_factory=Hub)
    error_lines: Hub = field(default_factory=Hub)
    deadline: Deadline = field(default_factory=Deadline)
    client_authority: Authority | None = None  # for clients behind a proxy, with tls.auth on
    certificate_not_after: float | None = None  # seconds since 1970
    started: float = field(default_factory=time.monotonic)
    version: str = __version__

    def record(self, route: str, record: Record) -> APIError | None:
        """One request is over: write it down, show it to whoever listens, and count it.

        AUDIT_FAILED is what must be answered instead: the line is required and could not be written."""
        refusal = self.write(route, record)
        self.metrics.observe(route, refusal.status if refusal else record.status, record.duration)
        return refusal

    def write(self, route: str, record: Record) -> APIError | None:
        """As `record`, for a caller that counts."""
        audit, shown = self.audit, self.audit_lines.wanted
        if not (shown or audit.wanted):
            return None
        line = record.line()
        if not audit.append(line) and record.status == 200 and route in _NEED_A_LINE:
            return APIError(Code.AUDIT_FAILED)
        if shown:
            self.audit_lines.publish(line + b"\n")
        return None

    @staticmethod
    def changes(route: str) -> bool:
        """Whether calls of a route cannot be undone by not answering."""
        return route in _CHANGES

    def may_begin(self, route: str) -> None:
        """APIError AUDIT_FAILED for a call that would change keys while the last required line was not written."""
        if route in _CHANGES and self.audit.refusing:
            raise APIError(Code.AUDIT_FAILED)
