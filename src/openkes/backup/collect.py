"""Every entry of a key store, checked. Must not change the store."""

from __future__ import annotations

from dataclasses import dataclass, field

from openkes.crypto import entry
from openkes.crypto.entry import MalformedEntry
from openkes.keystore import KeyNotFound, KeyStore
from openkes.keystore.migration import matching


@dataclass(frozen=True, slots=True)
class Collected:
    """`entries`: names to entries as stored, byte for byte. `damaged`: names to what is wrong with them."""

    entries: dict[str, bytes] = field(default_factory=dict, repr=False)
    damaged: dict[str, str] = field(default_factory=dict)


def collect(store: KeyStore) -> Collected:
    """All there are, versions and waiting deletions included. Unreachable: a part is no backup."""
    found = Collected()
    for name in matching(store, "*"):
        try:
            value = store.get(name)
            check(name, value)
        except KeyNotFound:
            continue  # deleted meanwhile
        except MalformedEntry as error:
            found.damaged[name] = str(error)
        else:
            found.entries[name] = value
    return found


def check(name: str, value: bytes) -> None:
    """MalformedEntry unless a server can use it, and it can stand in a backup."""
    entry.decode(value, name)
    try:
        value.decode()
    except UnicodeDecodeError:
        raise MalformedEntry("it is not UTF-8 text") from None
