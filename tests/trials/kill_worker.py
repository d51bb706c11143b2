"""A client that knows what it was promised: names, the states they may be in, and ciphertexts that must open.

A call without an answer leaves two possible states; the next life of the server must show one of them, and whichever
it shows, the name must be of use.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from openkes.client import AnswerError, Client, NoAnswer


class Is(Enum):
    ABSENT = "absent"
    THERE = "there"
    DELETED = "deleted"  # the deletion waits; undelete brings it back


@dataclass(slots=True)
class Name:
    """`may_be`: one state when every call was answered. `versions`: likewise, of the newest version's number."""

    name: str
    may_be: set[Is] = field(default_factory=lambda: {Is.ABSENT})
    versions: set[int] = field(default_factory=lambda: {1})
    pairs: list[tuple[bytes, bytes]] = field(default_factory=list)

    @property
    def certain(self) -> bool:
        return len(self.may_be) == 1 and len(self.versions) == 1


class Finding(AssertionError):
    """A promise that was broken."""


class Worker:
    """`done` counts acknowledged calls, and what became of those without an answer."""

    def __init__(self, number: int, seed: int) -> None:
        self.names: list[Name] = []
        self.done: Counter[str] = Counter()
        self._number = number
        self._random = random.Random(seed * 1000 + number)

    def live(self, client: Client) -> None:
        """Until the server dies: look after what was left open, then work on. NoAnswer ends it; Finding."""
        for name in [name for name in self.names if not name.certain]:
            self._settle(client, name)
        for name in self._some(2):
            self.check(client, name, pairs=3)
        while True:
            self._work(client)

    def check(self, client: Client, name: Name, pairs: int | None = None) -> None:
        """The state is one of those it may be in, and the newest `pairs` ciphertexts open."""
        self._settle(client, name)
        if name.may_be == {Is.DELETED}:
            self._call(client.undelete_key, name, "undelete", Is.THERE)
        for plaintext, ciphertext in name.pairs[-pairs:] if pairs else name.pairs:
            opened = _answer(name, "decrypt", client.decrypt, name.name, ciphertext, b"context")
            if opened != plaintext:
                raise Finding(f"{name.name}: a ciphertext opens to something else")
            self.done["opened"] += 1

    def _settle(self, client: Client, name: Name) -> None:
        """Find out what a call without an answer did; the name is of use afterwards."""
        found = self._look(client, name)
        if found is None:
            hidden = name.may_be - {Is.THERE}
            if not hidden:
                raise Finding(f"{name.name}: it was acknowledged and is lost")
            name.may_be = hidden
            if Is.ABSENT in hidden:
                self._call(client.create_key, name, "create", Is.THERE)
                self.done["open create: not done"] += 1
            return
        if Is.THERE not in name.may_be:
            raise Finding(f"{name.name}: it is there, and should be {name.may_be}")
        if Is.ABSENT in name.may_be:
            self.done["open create: done"] += 1
        if found not in name.versions:
            raise Finding(f"{name.name}: its version is {found}, and should be of {name.versions}")
        if len(name.versions) > 1:
            self.done[f"open rotate: {'' if found == max(name.versions) else 'not '}done"] += 1
        name.may_be, name.versions = {Is.THERE}, {found}
        self._generate(client, name)

    def _look(self, client: Client, name: Name) -> int | None:
        """The version; None for 404."""
        try:
            described: dict[str, Any] = client.describe_key(name.name)
        except AnswerError as error:
            if error.status == 404:
                return None
            raise Finding(f"{name.name}: describe answers {error.status} {error.message}") from error
        return int(described.get("version", 1))

    def _work(self, client: Client) -> None:
        what = self._random.random()
        if what < 0.55 or len(self.names) < 3:
            name = Name(f"kill-{self._number}-{len(self.names)}")
            self.names.append(name)
            self._call(client.create_key, name, "create", Is.THERE)
            self._generate(client, name)
            return
        name = self._some(1)[0]
        if name.may_be == {Is.DELETED}:
            self._call(client.undelete_key, name, "undelete", Is.THERE)
            self._generate(client, name)
        elif what < 0.80:
            version = max(name.versions) + 1
            name.versions.add(version)
            got = _answer(name, "rotate", client.rotate_key, name.name)
            if got != version:
                raise Finding(f"{name.name}: rotate made version {got}, and should make {version}")
            name.versions = {version}
            self.done["rotate"] += 1
            self._generate(client, name)
        elif what < 0.90:
            self._call(client.delete_key, name, "delete", Is.DELETED)
        else:
            self.check(client, name, pairs=3)

    def _call(self, call: Callable[[str], None], name: Name, what: str, then: Is) -> None:
        name.may_be = name.may_be | {then}
        _answer(name, what, call, name.name)
        name.may_be = {then}
        self.done[what] += 1

    def _generate(self, client: Client, name: Name) -> None:
        plaintext, ciphertext = _answer(name, "generate", client.generate, name.name, b"context")
        name.pairs.append((plaintext, ciphertext))
        self.done["generate"] += 1

    def _some(self, number: int) -> list[Name]:
        return self._random.sample(self.names, min(number, len(self.names)))


def _answer(name: Name, what: str, call: Callable[..., Any], *arguments: object) -> Any:
    """Of a call that must succeed. NoAnswer; Finding for any other answer."""
    try:
        return call(*arguments)
    except AnswerError as error:
        raise Finding(f"{name.name}: {what} answers {error.status} {error.message}") from error
    except NoAnswer:
        raise
