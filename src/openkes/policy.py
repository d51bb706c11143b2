"""Policies: which paths an identity may call. Pure functions over the configuration's rules.

Deny rules come first, then allow rules; what no rule names is denied. A rule is a path, with an optional `*` at
its end only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


class BadRule(ValueError):
    """The text says what is wrong with the rule and how to write it."""


def check_rule(rule: str) -> str:
    """`rule`, or BadRule."""
    if not rule.startswith("/"):
        raise BadRule(f"rule '{rule}' does not start with '/': write the path of an API, like /v1/key/generate/my-key")
    if "*" in rule[:-1]:
        raise BadRule(f"rule '{rule}' has a '*' before its end: only a last '*' is a wildcard")
    return rule


@dataclass(frozen=True, slots=True)
class Rules:
    """A set of rules, split for a quick answer."""

    paths: frozenset[str]
    prefixes: tuple[str, ...]

    @classmethod
    def of(cls, rules: Iterable[str]) -> Rules:
        rules = [check_rule(rule) for rule in rules]
        return cls(
            frozenset(rule for rule in rules if not rule.endswith("*")),
            tuple(rule[:-1] for rule in rules if rule.endswith("*")),
        )

    def match(self, path: str) -> bool:
        """`path` is unescaped and has no query."""
        return path in self.paths or path.startswith(self.prefixes)


@dataclass(frozen=True, slots=True)
class Policy:
    """`allow` and `deny` as written, in order."""

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    _allow: Rules = field(init=False, repr=False, compare=False)
    _deny: Rules = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_allow", Rules.of(self.allow))
        object.__setattr__(self, "_deny", Rules.of(self.deny))

    def allows(self, path: str) -> bool:
        """`path` is unescaped and has no query."""
        return not self._deny.match(path) and self._allow.match(path)
