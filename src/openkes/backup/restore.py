"""Entries of a backup into a key store.

Owns that nothing is overwritten, and that nothing is written before everything is checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from openkes.backup.collect import check
from openkes.crypto.entry import MalformedEntry
from openkes.errors import OperatorError
from openkes.keystore import KeyExists, KeyNotFound, KeyStore, Unreachable
from openkes.keystore.migration import matching


@dataclass(frozen=True, slots=True)
class Plan:
    """Names by what is to be done: `missing` are written, `same` are there already. The others stand in the way:
    `different` have another entry in the store, `others` are in the store and not in the backup."""

    missing: list[str] = field(default_factory=list)
    same: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


def plan(store: KeyStore, entries: Mapping[str, bytes]) -> Plan:
    """Looks at every key of both. OperatorError for an entry that this server could not use; Unreachable."""
    made = Plan()
    for name, value in entries.items():
        try:
            check(name, value)
        except MalformedEntry as error:
            raise OperatorError(
                f"the backup's entry of {name} is malformed: {error}", "was it made by a newer openkes? Upgrade first"
            ) from None
        _there(store, name, value, made).append(name)
    made.others.extend(name for name in matching(store, "*") if name not in entries)
    return made


def _there(store: KeyStore, name: str, value: bytes, made: Plan) -> list[str]:
    try:
        return made.same if store.get(name) == value else made.different
    except KeyNotFound:
        return made.missing
    except MalformedEntry:
        return made.different  # what cannot be read may be the only copy of something


def write(store: KeyStore, entries: Mapping[str, bytes], names: list[str]) -> Iterator[str]:
    """Create each, read it back, give its name. OperatorError; what was given before is safe."""
    for name in names:
        try:
            store.create(name, entries[name])
            same = store.get(name) == entries[name]
        except KeyExists:
            raise OperatorError(f"somebody else created {name} meanwhile", "stop them, and restore again") from None
        except Unreachable as error:
            raise OperatorError(f"cannot write {name}: {error}", "then restore again: it goes on here") from None
        except (KeyNotFound, MalformedEntry):
            same = False
        if not same:
            raise OperatorError(
                f"{name} could not be read back as it was written", "do not rely on this store: check its disk first"
            )
        yield name
