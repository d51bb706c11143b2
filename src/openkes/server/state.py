"""What a running server knows: the settings of the moment, the keys, when it began.

`Settings` is immutable and swapped as a whole on reload, so that a request sees one of them from start to end.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from openkes import __version__
from openkes.config.schema import Config, Proxy, RouteSettings
from openkes.keystore.cache import KeyCache
from openkes.keystore.lifecycle import Lifecycle
from openkes.policy import Policy
from openkes.server.audit import AuditLog, NoAuditLog, Record
from openkes.server.deadline import Deadline
from openkes.server.logs import Hub
from openkes.server.metrics import Metrics


@dataclass(frozen=True, slots=True, eq=False)
class Settings:
    """`identities` maps an identity to the name of its policy. `loaded_at` in ns since 1970."""

    admin: str | None
    policies: dict[str, Policy]
    identities: dict[str, str]
    api: dict[str, RouteSettings]
    loaded_at: int
    proxy: Proxy = field(default_factory=Proxy)

    @classmethod
    def of(cls, config: Config) -> Settings:
        return cls(
            admin=config.admin,
            policies={name: settings.policy for name, settings in config.policies.items()},
            identities={i: name for name, settings in config.policies.items() for i in settings.identities},
            api=config.api,
            loaded_at=time.time_ns(),
            proxy=config.tls.proxy,
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
    certificate_not_after: float | None = None  # seconds since 1970
    started: float = field(default_factory=time.monotonic)
    version: str = __version__

    def record(self, route: str, record: Record) -> None:
        """One request is over: count it, write it down, and show it to whoever listens."""
        self.metrics.observe(route, record.status, record.duration)
        self.audit.append(record)
        if self.audit_lines.wanted:
            self.audit_lines.publish(record.line())
