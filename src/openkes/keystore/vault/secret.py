"""Where a key's secret lies in a KV engine, and what is in it: one field, named as the key. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from openkes import names
from openkes.keystore import Unreachable
from openkes.keystore.http import Answer

CHECK = ".openkes-check"  # a secret that nobody has: no key name begins with a dot


@dataclass(frozen=True, slots=True)
class Place:
    """`engine` is the mount; `prefix` the folder below it, "" for none; both without slashes at their ends."""

    engine: str
    prefix: str

    @property
    def below(self) -> str:
        """The folder as a beginning of paths in the engine."""
        return f"{self.prefix}/" if self.prefix else ""

    def path(self, kind: str = "") -> str:
        """The beginning of every key's path; `kind`: data or metadata in version 2."""
        return f"{self.engine}/{f'{kind}/' if kind else ''}{self.below}"


class Engine(Protocol):
    """A KV engine, by names and texts. Thread-safe. `until`: a time of the monotonic clock."""

    def get(self, name: str, until: float) -> str:
        """KeyNotFound, Unreachable."""

    def create(self, name: str, text: str, until: float) -> None:
        """KeyExists, Unreachable."""

    def replace(self, name: str, is_old: Callable[[str], bool], text: str, until: float) -> None:
        """If `is_old` of what is there. KeyNotFound, KeyExists, Unreachable."""

    def delete(self, name: str, until: float) -> None:
        """KeyNotFound, Unreachable."""

    def names(self, until: float) -> Iterable[str]:
        """All of them, in any order. Unreachable."""

    def check(self, until: float) -> None:
        """A cheap call that needs what `get` needs. Unreachable."""


def text_in(fields: Any, name: str, path: str) -> str:
    """Of the fields of the secret at `path`. Unreachable."""
    text = fields.get(name) if isinstance(fields, dict) else None
    if not isinstance(text, str):
        raise Unreachable(f"the secret {path}{name} has no field {name} with a text: a key server has not written it")
    return text


def listed(answer: Answer) -> Iterable[str]:
    """The names of keys in the answer to a list, which is a 404 for none; folders and foreign secrets are none."""
    data = answer.document.get("data") if isinstance(answer.document, dict) else None
    found = data.get("keys") if isinstance(data, dict) else None
    return [name for name in found or [] if names.is_valid(name)]
