"""Exceptions to answers, in one place: status, text, and a log line where an operator must act."""

from __future__ import annotations

import logging

from openkes.crypto.entry import MalformedEntry
from openkes.errors import APIError, Code
from openkes.keystore import KeyExists, KeyNotFound, Unreachable
from openkes.keystore.lifecycle import NotReadBack
from openkes.server import wire

_log = logging.getLogger(__name__)


def answer(error: Exception, path: str) -> tuple[int, bytes]:
    """Status and JSON body. What is not foreseen is a 500, with its traceback in the log."""
    known = _known(error, path)
    return known.status, wire.error_body(known.message)


def _known(error: Exception, path: str) -> APIError:
    name = path.rpartition("/")[2]
    match error:
        case APIError():
            if error.__cause__ is not None:
                _log.error("%s: %s", path, error.__cause__)
            return error
        case KeyNotFound():
            return APIError(Code.KEY_NOT_FOUND)
        case KeyExists():
            return APIError(Code.KEY_EXISTS)
        case Unreachable():
            _log.error("%s: %s", path, error)
            return APIError(Code.STORE_UNREACHABLE)
        case MalformedEntry():
            _log.error("%s: the stored key is malformed: %s; restore this key from a backup", path, error)
            return APIError(Code.KEY_CORRUPT, name=name)
        case NotReadBack():
            _log.error("%s: the key store gave back another entry than was stored; check the store", path)
            return APIError(Code.INTERNAL)
        case _:
            _log.error("%s: internal error", path, exc_info=error)
            return APIError(Code.INTERNAL)
