"""Lines to a sink, counted, chained and with failures said once. Thread-safe."""

from __future__ import annotations

import logging
import sys
import threading

from openkes.config.schema import Audit
from openkes.server.audit.chain import Chain
from openkes.server.audit.sinks import FileSink, NotWritten, Sink, standard_output
from openkes.server.audit.syslog import SyslogSink

_log = logging.getLogger("openkes.server.audit")
PATIENCE = 5.0  # seconds for a reader that is slow; once it failed, it is tried without waiting


def open_sink(settings: Audit) -> Sink:
    """OSError."""
    if settings.output == "syslog":
        return SyslogSink(settings.syslog)
    if settings.file is not None:
        return FileSink(settings.file)
    return standard_output(sys.stdout.fileno())


class Writer:
    """`lines` were written, `failures` were not. `failing`: the last write did not work."""

    def __init__(self, settings: Audit) -> None:
        self._lock = threading.Lock()
        self._sink = open_sink(settings)
        self._chain = Chain()
        self._chained = settings.chain
        self._lost = 0  # since the last line that was written
        self._consequence = _consequence(settings)
        self.failing = False
        self.lines = 0
        self.failures = 0

    def write(self, lines: list[bytes]) -> bool:
        """False when not all of them are written."""
        with self._lock:
            linked = self._chain.link(lines, self._lost, self._sink.last) if self._chained else lines
            try:
                self._sink.write(linked, 0.0 if self.failing else PATIENCE)
            except NotWritten as error:
                self._failed(len(linked), error)
                return False
            if self._chained:
                self._chain.advance(len(linked))
            self.lines += len(linked)
            if self.failing:
                _log.warning("audit log works again; %d lines were not written", self._lost)
                self.failing = False
            self._lost = 0
        return True

    def _failed(self, count: int, error: NotWritten) -> None:
        if self._chained:
            self._chain.advance(error.lines)
        if error.lines:
            self._lost = 0
        self.lines += error.lines
        self._lost += count - error.lines
        self.failures += count - error.lines
        if not self.failing:
            _log.error("audit log %s: %s; %s", self._sink.name, error.reason, self._consequence)
        self.failing = True

    def reopen(self, settings: Audit) -> None:
        """The chain goes on in the new sink. OSError leaves the old one in use."""
        sink = open_sink(settings)
        with self._lock:
            old, self._sink = self._sink, sink
            self._chained = settings.chain
            self._consequence = _consequence(settings)
        old.close()

    def close(self) -> None:
        with self._lock:
            self._sink.close()


def _consequence(settings: Audit) -> str:
    if settings.required:
        return "calls on keys are refused until this is mended"
    return "lines are lost until this is mended"
