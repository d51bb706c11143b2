"""What the servers of a group must have in common, as 16 hex digits to compare.

Of a configuration: who may do what, how long keys are served, where they lie. Not of a host: addresses, files, logs,
secrets. The order in which things are written does not count, and what is left out counts as its default, so that
neighbours of different versions agree. Must not know what is done with it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from typing import Any

from openkes.config.schema import OF_HOST, Config
from openkes.config.secret import Secret

_DIGITS = 16  # enough to see a difference; it protects nothing


def digest(config: Config) -> str:
    """16 hex digits, the same in every process."""
    common = {
        "admin": config.admin,
        "clients": config.tls.verify_clients,
        "proxy": _plain(config.tls.proxy),
        "api": _plain(config.api),
        "policy": _plain(config.policies),
        "cache": _plain(config.cache),
        "audit": config.audit.required,
        "keys": _plain(config.keys),
        "deletion": config.deletion_wait,
        "keystore": [type(config.keystore).__qualname__, _plain(config.keystore)],
    }
    text = json.dumps(common, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def _plain(value: Any) -> Any:
    """As JSON without order; of what belongs to a host, or is of a strange type, only that it is there."""
    if is_dataclass(value) and not isinstance(value, Secret):
        return {field.name: _field(value, field) for field in fields(value) if not _is_default(value, field)}
    match value:
        case Enum():
            return value.value
        case dict():
            return {str(key): _plain(item) for key, item in value.items()}
        case tuple() | list() | set() | frozenset():
            return sorted({json.dumps(_plain(item), sort_keys=True) for item in value})
        case None | str() | int() | float():
            return value
        case _:
            return True


def _field(owner: Any, field: Field[Any]) -> Any:
    return _plain(getattr(owner, field.name)) if field.repr and not field.metadata.get(OF_HOST) else True


def _is_default(owner: Any, field: Field[Any]) -> bool:
    if field.default is not MISSING:
        return bool(getattr(owner, field.name) == field.default)
    if field.default_factory is not MISSING:
        return bool(getattr(owner, field.name) == field.default_factory())
    return False
