"""Log lines that a terminal or a log reader cannot be fooled with. Knows no messages."""

from __future__ import annotations

import logging

# Paths come from clients. A line feed stays: no path with one is routed, and a traceback is made of them.
_CONTROL = [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029]
_ESCAPED = {code: chr(code).encode("unicode_escape").decode() for code in _CONTROL if chr(code) not in "\n\t"}


class PlainFormatter(logging.Formatter):
    """Shows control characters of a message as escapes."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = record.message.translate(_ESCAPED)
        return super().formatMessage(record)
