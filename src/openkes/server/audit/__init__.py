"""The audit log: a JSON line for every request, denied ones and bad ones too.

`record` is the line, `chain` ties lines together, `sinks` and `syslog` take them, `log` decides when; `verify`
reads a file back. No part knows Flask or a front, and a line never holds a key, plaintext, ciphertext or context.
"""

from openkes.server.audit.log import AuditLog, NoAuditLog
from openkes.server.audit.record import Record, new_id, now, origin, subject

__all__ = ["AuditLog", "NoAuditLog", "Record", "new_id", "now", "origin", "subject"]
