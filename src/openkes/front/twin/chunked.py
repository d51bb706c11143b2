"""Decodes a chunked body as it comes in. Trailers are read and dropped."""

from __future__ import annotations

import re

from openkes.front.refusals import Refused

_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r\n")
_LINE = 4096  # of a chunk's size line and of each trailer; extensions are of no use to anybody


class Decoder:
    """Fed by `take`; `body` is complete when it says True."""

    def __init__(self, most_trailers: int) -> None:
        self.body = bytearray()
        self._left = 0  # bytes of the running chunk, with the line end behind it
        self._trailers = False
        self._most_trailers = most_trailers

    def take(self, buffer: bytearray) -> bool:
        """Consume what can be from the front of `buffer`. True at the end of the body; Refused when malformed."""
        while True:
            if self._left:
                if not self._chunk(buffer):
                    return False
                continue
            line, found, _ = bytes(buffer[: _LINE + 2]).partition(b"\r\n")
            if not found:
                if len(buffer) > _LINE:
                    raise Refused(400)
                return False
            del buffer[: len(line) + 2]
            if self._trailers:
                self._most_trailers -= len(line)
                if self._most_trailers < 0:
                    raise Refused(431)
                if not line:
                    return True
                continue
            size = _SIZE.fullmatch(line + b"\r\n")
            if size is None:
                raise Refused(400)
            length = int(size[1], 16)
            self._trailers = length == 0
            self._left = length + 2 if length else 0

    def _chunk(self, buffer: bytearray) -> bool:
        """Take of the running chunk what is there. True when it is whole."""
        data = min(self._left - 2, len(buffer))
        if data > 0:
            self.body += buffer[:data]
            del buffer[:data]
            self._left -= data
        if self._left > 2 or len(buffer) < 2:
            return False
        if buffer[:2] != b"\r\n":
            raise Refused(400)
        del buffer[:2]
        self._left = 0
        return True
