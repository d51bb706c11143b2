"""Policies: deny before allow, a `*` at the end only, nothing by default."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openkes.policy import BadRule, Policy


def test_nothing_is_allowed_by_default() -> None:
    assert not Policy().allows("/v1/status")


def test_a_path_allows_itself_only() -> None:
    policy = Policy(allow=("/v1/key/generate/a",))
    assert policy.allows("/v1/key/generate/a")
    assert not policy.allows("/v1/key/generate/ab")
    assert not policy.allows("/v1/key/generate/")


def test_a_star_allows_what_begins_so() -> None:
    policy = Policy(allow=("/v1/key/generate/a*",))
    assert policy.allows("/v1/key/generate/a")
    assert policy.allows("/v1/key/generate/ab")
    assert not policy.allows("/v1/key/generate/b")


def test_deny_wins() -> None:
    policy = Policy(allow=("/v1/key/*",), deny=("/v1/key/delete/*",))
    assert policy.allows("/v1/key/generate/a")
    assert not policy.allows("/v1/key/delete/a")


@pytest.mark.parametrize("rule", ["", "v1/status", "*", "/v1/*/a", "/**"])
def test_rules_that_mean_something_else_are_refused(rule: str) -> None:
    with pytest.raises(BadRule):
        Policy(allow=(rule,))


path = st.text("/v1keya*", min_size=0, max_size=12).map(lambda text: "/" + text)


@given(st.lists(path, max_size=4), st.lists(path, max_size=4), path)
def test_like_the_definition(allow: list[str], deny: list[str], asked: str) -> None:
    try:
        policy = Policy(tuple(allow), tuple(deny))
    except BadRule:
        return

    def match(rules: list[str]) -> bool:
        return any(asked.startswith(r[:-1]) if r.endswith("*") else asked == r for r in rules)

    assert policy.allows(asked) == (match(allow) and not match(deny))
