"""From a configuration to its audit log: opened at the start, opened again by a reload, put back when one fails."""

from __future__ import annotations

import contextlib

from openkes.config.schema import Config
from openkes.errors import OperatorError
from openkes.server.audit import AuditLog, NoAuditLog


def opened(config: Config) -> AuditLog | NoAuditLog:
    if not config.log.audit:
        return NoAuditLog()
    try:
        return AuditLog(config.audit)
    except OSError as error:
        raise OperatorError(
            f"cannot open the audit log {config.audit.where}: {error.strerror}",
            "let the server's user write there (audit.file)",
        ) from None


def reopened(audit: AuditLog | NoAuditLog, config: Config) -> AuditLog | NoAuditLog:
    if not isinstance(audit, AuditLog) or not config.log.audit:
        # Lines of requests that still run go to the old log, which ends with the process.
        return opened(config)
    try:
        audit.reopen(config.audit)
    except OSError as error:
        raise OperatorError(f"cannot open the audit log {config.audit.where}: {error.strerror}") from None
    return audit


def put_back(audit: AuditLog | NoAuditLog, reopened: AuditLog | NoAuditLog, config: Config) -> None:
    """After a reload that failed: lines go where they went before."""
    if reopened is not audit:
        reopened.close()
    elif isinstance(audit, AuditLog):
        with contextlib.suppress(OSError):  # then they go on to the new place, rather than nowhere
            audit.reopen(config.audit)
