"""Policy rules: BadRule, or a policy that decides as the three sentences of its documentation say."""

from __future__ import annotations

from openkes.policy import BadRule, Policy
from tests.fuzz.target import Target


def check(data: bytes) -> None:
    """Lines: `+RULE` allows, `-RULE` denies, the last one is the path asked for."""
    *rules, path = data.decode("utf-8", "replace").split("\n")
    allow = tuple(rule[1:] for rule in rules if rule.startswith("+"))
    deny = tuple(rule[1:] for rule in rules if rule.startswith("-"))
    bad = any(not rule.startswith("/") or "*" in rule[:-1] for rule in (*allow, *deny))
    try:
        allowed = Policy(allow, deny).allows(path)
    except BadRule:
        assert bad, "refused a good rule"
        return
    assert not bad, "took a bad rule"
    assert allowed == (any(_match(rule, path) for rule in allow) and not any(_match(rule, path) for rule in deny))


def _match(rule: str, path: str) -> bool:
    return path[: len(rule) - 1] == rule[:-1] if rule[-1] == "*" else path == rule


TARGET = Target(
    "policy",
    check,
    seeds=(
        b"+/v1/key/generate/my-app*\n-/v1/key/generate/my-app-x\n/v1/key/generate/my-app-1",
        b"+/*\n-/v1/key/delete/*\n/v1/key/delete/a",
        b"+/v1/status\n/v1/status",
        b"+/\n-\n/",
    ),
    words=(b"*", b"\n+", b"\n-", b"/*", b"/v1/key/", b"my-app", b"%2A", b"../", b"\xff", b"\xe2\x84\xaa"),
)
