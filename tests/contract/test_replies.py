"""Every recorded reply, through each door: it matches, or it stands in docs/differences.md with a reason."""

from __future__ import annotations

import json

import pytest

from tests.contract import replies
from tests.contract.doors import Doors


@pytest.mark.parametrize("door", ["both", "flask"])
def test_every_difference_is_listed_and_every_listed_one_is_there(door: str) -> None:
    doors = Doors()
    found = replies.replay(getattr(doors, door), doors.identities)
    listed = replies.listed_differences()
    unlisted = {
        n: (replies.ROWS[n]["note"], replies.ROWS[n]["path"], text) for n, text in found.items() if n not in listed
    }
    assert unlisted == {}
    assert [n for n in listed if n not in found] == []


def test_the_hot_door_answers_its_share() -> None:
    doors = Doors()
    replies.replay(doors.both, doors.identities)
    assert doors.hot_answers > 50


def test_every_listed_difference_has_a_reason() -> None:
    assert all(len(reason) > 20 for reason in replies.listed_differences().values())


def test_every_request_has_an_audit_line() -> None:
    doors = Doors()
    replies.replay(doors.both, doors.identities)
    assert len(doors.audit.written) == len(replies.ROWS)
    statuses = {json.loads(line)["response"]["code"] for line in doors.audit.written}
    assert {200, 307, 400, 403, 404, 405, 406, 413} <= statuses
