"""The KV engine of version 2: a secret per key, every write with its check-and-set.

Owns what follows when nobody knows whether a write took effect: it is sent again, which cannot do it twice. Must not
know what the text of an entry is.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from openkes.keystore import KeyExists, KeyNotFound, Unreachable
from openkes.keystore.http import Answer, MaybeDone
from openkes.keystore.vault.client import Client
from openkes.keystore.vault.secret import CHECK, Place, listed, text_in

_log = logging.getLogger(__name__)
_MISMATCH = "check-and-set parameter did not match"


@dataclass(frozen=True, slots=True)
class _Stored:
    """`version` is what a check-and-set compares. `ends`: when the engine will delete it by itself."""

    text: str = field(repr=False)
    version: int
    ends: str


class KV2:
    """Implements `Engine`."""

    def __init__(self, client: Client, place: Place) -> None:
        self._client = client
        self._place = place
        self._data, self._metadata = place.path("data"), place.path("metadata")
        self._warned: set[str] = set()

    def get(self, name: str, until: float) -> str:
        return self._read(name, until).text

    def create(self, name: str, text: str, until: float) -> None:
        done, answer, unsure = self._write(name, text, 0, until, "create")
        if done:
            self._refuse_to_end(name, str(_section(answer.document, "data").get("deletion_time") or ""), until)
            return
        try:
            there = self._read(name, until)
        except KeyNotFound:
            raise KeyExists(name) from None  # it was there a moment ago
        # Its text is nobody else's, unless two are told to store the same at the same time.
        if not unsure or there.text != text:
            raise KeyExists(name)
        self._refuse_to_end(name, there.ends, until)

    def replace(self, name: str, is_old: Callable[[str], bool], text: str, until: float) -> None:
        found = self._read(name, until)
        if not is_old(found.text):
            raise KeyExists(name)
        done, _, unsure = self._write(name, text, found.version, until, "update")
        if not done and not (unsure and self._read(name, until).text == text):
            raise KeyExists(name)

    def delete(self, name: str, until: float) -> None:
        """With all versions and the metadata: upstream looks for version 1 of a secret."""
        first = self._read(name, until)
        path = self._metadata + name
        while True:
            try:
                self._client.call("DELETE", path, need=f"delete on {self._metadata}*", until=until, key=name)
            except MaybeDone:
                if not self._client.pause(until):
                    raise
                try:
                    # Not another one that somebody made since.
                    if self._read(name, until) != first:
                        return
                except KeyNotFound:
                    return
            else:
                return

    def names(self, until: float) -> Iterable[str]:
        path = self._metadata
        answer = self._client.call("GET", f"{path}?list=true", need=f"list on {path}*", until=until, answers=(404,))
        return listed(answer)

    def check(self, until: float) -> None:
        self._client.call("GET", self._data + CHECK, need=f"read on {self._data}*", until=until, answers=(404,))

    def _read(self, name: str, until: float) -> _Stored:
        need = f"read on {self._data}*"
        answer = self._client.call("GET", self._data + name, need=need, until=until, key=name, answers=(404,))
        data = _section(answer.document, "data")
        metadata = _section(data, "metadata")
        if answer.status == 404 and not metadata:
            raise KeyNotFound(name)
        if not isinstance(version := metadata.get("version"), int):
            raise Unreachable(f"{self._client}: {self._place.engine} is no KV engine of version 2: {_MEND_VERSION}")
        if answer.status == 404:
            raise Unreachable(self._gone(name, version, metadata))
        found = _Stored(text_in(data.get("data"), name, self._data), version, str(metadata.get("deletion_time") or ""))
        if found.ends and name not in self._warned:
            self._warned.add(name)
            _log.error("the key store will delete %s%s at %s: %s", self._data, name, found.ends, self._mend_ending())
        return found

    def _write(self, name: str, text: str, version: int, until: float, need: str) -> tuple[bool, Answer, bool]:
        """Whether it took effect, the last answer, and whether it may have taken effect before it was sent again."""
        body = {"data": {name: text}, "options": {"cas": version}}
        unsure = False
        while True:
            try:
                answer = self._client.call(
                    "POST",
                    self._data + name,
                    body,
                    need=f"{need} on {self._data}*",
                    until=until,
                    key=name,
                    answers=(400,),
                )
            except MaybeDone:
                unsure = True
                if not self._client.pause(until):
                    raise
                continue
            if answer.status == 400:
                words = str(answer.document)
                if _MISMATCH not in words:
                    raise Unreachable(f"{self._client}: {self._data}{name} cannot be written: {words}")
                return False, answer, unsure
            if not isinstance(_section(answer.document, "data").get("version"), int):
                raise Unreachable(f"{self._client}: {self._place.engine} is no KV engine of version 2: {_MEND_VERSION}")
            return True, answer, unsure

    def _refuse_to_end(self, name: str, ends: str, until: float) -> None:
        """A new key that the engine will delete by itself, and all that is encrypted with it then, is not given out."""
        if not ends:
            return
        with contextlib.suppress(KeyNotFound, Unreachable):
            self.delete(name, until)
        raise Unreachable(f"{self._client}: it would delete {self._data}{name} at {ends}: {self._mend_ending()}")

    def _mend_ending(self) -> str:
        engine = self._place.engine
        return (
            f"`bao write {engine}/config delete_version_after=0s` keeps new versions, and `bao kv metadata put "
            f"-delete-version-after=0s` those of a secret"
        )

    def _gone(self, name: str, version: int, metadata: dict[str, Any]) -> str:
        """For a name whose newest version somebody deleted by hand: neither absent, for it can come back, nor free."""
        secret = f"-mount={self._place.engine} {self._place.below}{name}"
        if metadata.get("destroyed"):
            return (
                f"{self._client}: version {version} of {self._data}{name} was destroyed, by hand: restore the key from "
                f"a backup; `bao kv metadata delete {secret}` makes the name free"
            )
        return (
            f"{self._client}: version {version} of {self._data}{name} was deleted at {metadata.get('deletion_time')}, "
            f"by hand: `bao kv undelete -versions={version} {secret}` brings the key back, and `bao kv metadata delete "
            f"{secret}` makes the name free"
        )


_MEND_VERSION = "set keystore.vault.version to v1, or keystore.vault.engine to another one"


def _section(document: Any, name: str) -> dict[str, Any]:
    found = document.get(name) if isinstance(document, dict) else None
    return found if isinstance(found, dict) else {}
