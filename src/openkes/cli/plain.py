"""Log lines that hold no secret and that a terminal or a log reader cannot be fooled with. Knows no messages."""

from __future__ import annotations

import logging
from types import TracebackType

from openkes.front.report import describe

# Paths come from clients. A line feed stays: no path with one is routed, and a traceback is made of them.
_CONTROL = [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029]
_ESCAPED = {code: chr(code).encode("unicode_escape").decode() for code in _CONTROL if chr(code) not in "\n\t"}


class PlainFormatter(logging.Formatter):
    """Shows control characters of a message as escapes, and exceptions without their text: it may quote a key."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = record.message.translate(_ESCAPED)
        return super().formatMessage(record)

    def formatException(
        self, ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
    ) -> str:
        return "" if ei[1] is None else describe(ei[1])
