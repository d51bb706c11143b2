"""A server on a disk with faults, and what must hold of each call on it. Must not know where the faults come from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from openkes.client import AnswerError, Client

CONTEXT = b"context"
#: Keys are read from the disk for each call.
UNCACHED = {"expiry": {"any": "0s", "unused": "0s"}}


@dataclass(slots=True)
class Figures:
    calls: Counter[int] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    @property
    def failed(self) -> int:
        return self.calls.total() - self.calls[200]

    def text(self) -> str:
        answers = ", ".join(f"{count:,} answered {status}" for status, count in sorted(self.calls.items()))
        return f"{self.calls.total():,} calls under faults: {answers}; {len(self.findings)} findings"


@dataclass(slots=True)
class Key:
    """A key as it should be: `there`, or waiting for deletion, or absent."""

    name: str
    there: bool = False
    deleted: bool = False
    version: int = 1
    pairs: list[tuple[bytes, bytes]] = field(default_factory=list)


Operation = Callable[[Client, Key], None]


def _rotate(client: Client, key: Key) -> None:
    client.rotate_key(key.name)


#: Name to: the state it begins in, the call, the state after a 200.
OPERATIONS: dict[str, tuple[Key, Operation, Key]] = {
    "create": (Key(""), lambda client, key: client.create_key(key.name), Key("", there=True)),
    "import": (
        Key(""),
        lambda client, key: client.import_key(key.name, b"\1" * 32, "AES256"),
        Key("", there=True),
    ),
    "rotate": (Key("", there=True), _rotate, Key("", there=True, version=2)),
    "delete": (Key("", there=True), lambda client, key: client.delete_key(key.name), Key("", deleted=True)),
    "undelete": (Key("", deleted=True), lambda client, key: client.undelete_key(key.name), Key("", there=True)),
    "generate": (
        Key("", there=True),
        lambda client, key: _discard(client.generate(key.name, CONTEXT)),
        Key("", there=True),
    ),
    "decrypt": (
        Key("", there=True),
        lambda client, key: _discard(client.decrypt(key.name, key.pairs[0][1], CONTEXT)),
        Key("", there=True),
    ),
    "describe": (
        Key("", there=True),
        lambda client, key: _discard(client.describe_key(key.name)),
        Key("", there=True),
    ),
    "list": (Key("", there=True), lambda client, key: _discard(client.list_keys()), Key("", there=True)),
}


def _discard(_: object) -> None:
    pass


class Patient:
    """Runs operations under a fault and checks what is left behind."""

    def __init__(self, client: Client, figures: Figures) -> None:
        self._client, self._figures, self._number = client, figures, 0

    def prepare(self, operation: str) -> Key:
        """A key in the state that the operation begins in."""
        self._number += 1
        start = OPERATIONS[operation][0]
        key = Key(f"{operation}-{self._number}", start.there, start.deleted)
        if key.there or key.deleted:
            self._client.create_key(key.name)
            key.pairs.append(self._client.generate(key.name, CONTEXT))
        if key.deleted:
            self._client.delete_key(key.name)
        return key

    def attempt(self, operation: str, key: Key, where: str) -> int:
        """The status under the fault: 200 or 5xx, nothing else."""
        try:
            OPERATIONS[operation][1](self._client, key)
            status = 200
        except AnswerError as error:
            status = error.status
            if status < 500:
                self._figures.findings.append(f"{where}: {operation} answers {status} {error.message}")
        self._figures.calls[status] += 1
        return status

    def check(self, operation: str, key: Key, status: int, where: str) -> None:
        """Without the fault: as before a 502, as wanted after a 200, one of both after a 500, and of use."""
        before, _, after = OPERATIONS[operation]
        may_be = {200: [after], 502: [before]}.get(status, [before, after])
        where = f"{where}: {operation} answered {status}, and then"
        try:
            found = self._found(key)
            if not any((state.there, state.version if state.there else 1) == found for state in may_be):
                self._figures.findings.append(f"{where} found (there, version) is {found}")
                return
            if not found[0] and before.deleted | after.deleted and (before.deleted or status == 200):
                self._client.undelete_key(key.name)
            elif not found[0]:
                self._client.create_key(key.name)
            pair = self._client.generate(key.name, CONTEXT)
            for plaintext, ciphertext in [*key.pairs, pair]:
                if self._client.decrypt(key.name, ciphertext, CONTEXT) != plaintext:
                    self._figures.findings.append(f"{where} a ciphertext does not open")
        except AnswerError as error:
            self._figures.findings.append(f"{where} {error.method} {error.path}: {error.status} {error.message}")

    def _found(self, key: Key) -> tuple[bool, int]:
        try:
            return True, int(self._client.describe_key(key.name).get("version", 1))
        except AnswerError as error:
            if error.status != 404:
                raise
            return False, 1
