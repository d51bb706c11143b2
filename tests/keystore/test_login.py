"""A login that gives a token for a time: renewed before it ends, by one at a time, and not hammered."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from openkes.keystore import Unreachable
from openkes.keystore.login import Grant, Login
from tests.keystore.conformance import run_all
from tests.keystore.faulty import wait_for


class Desk:
    """Gives numbered tokens for `seconds`; refuses while `refuses` says why."""

    def __init__(self, seconds: float = 300.0) -> None:
        self.seconds = seconds
        self.given = 0
        self.asked = 0
        self.refuses = ""
        self.open = threading.Event()
        self.open.set()

    def log_in(self) -> Grant:
        self.asked += 1
        self.open.wait()
        if self.refuses:
            raise Unreachable(self.refuses)
        self.given += 1
        return Grant(f"token-{self.given}", self.seconds)


@contextmanager
def login(desk: Desk, pause: float = 60.0) -> Iterator[Login]:
    login = Login(desk.log_in, pause)
    yield login
    login.close()


def test_one_token_serves_all() -> None:
    desk = Desk()
    with login(desk) as held:
        assert {held.token() for _ in range(10)} == {"token-1"}
        assert desk.asked == 1


def test_many_at_once_log_in_once() -> None:
    desk = Desk()
    desk.open.clear()
    tokens: list[str] = []
    with login(desk) as held:
        calls: list[Callable[[], None]] = [lambda: tokens.append(held.token()) for _ in range(8)]
        threading.Timer(0.05, desk.open.set).start()
        run_all(calls)
    assert tokens == ["token-1"] * 8
    assert desk.asked == 1


def test_the_loop_renews_before_the_end() -> None:
    desk = Desk(0.6)
    with login(desk) as held:
        held.token()
        wait_for(lambda: desk.given >= 4)  # nobody asks for a token meanwhile
        assert held.token() != "token-1"


def test_a_token_near_its_end_is_not_given_any_more() -> None:
    desk = Desk(1000.0)
    with login(desk) as held:
        held.token()
        held._held = type(held._held)("token-1", 1000.0, time.monotonic() + 4.0)  # type: ignore[misc, arg-type]
        assert held.token() == "token-2"


def test_a_token_that_the_server_refused_is_renewed_once_for_all() -> None:
    desk = Desk()
    with login(desk) as held:
        stale = held.token()
        run_all([lambda: held.refused(stale) and None for _ in range(8)])
        assert desk.asked == 2
        assert held.token() == "token-2"


def test_a_login_that_failed_is_not_tried_again_at_once() -> None:
    desk = Desk()
    desk.refuses = "the login was refused"
    with login(desk) as held:
        for _ in range(5):
            with pytest.raises(Unreachable, match="the login was refused"):
                held.token()
        assert desk.asked == 1


def test_it_is_tried_again_after_the_pause() -> None:
    desk = Desk()
    desk.refuses = "the login was refused"
    with login(desk, 0.05) as held:
        with pytest.raises(Unreachable):
            held.token()
        desk.refuses = ""

        def again() -> bool:
            try:
                return held.token() == "token-1"
            except Unreachable:
                return False

        wait_for(again)


def test_a_token_that_cannot_be_renewed_serves_to_its_end() -> None:
    desk = Desk(3000.0)
    with login(desk, 0.01) as held:
        assert held.token() == "token-1"
        desk.refuses = "away"
        # Two thirds of its life are over: the loop begins to renew it, and fails.
        held._held = type(held._held)("token-1", 3000.0, time.monotonic() + 900.0)  # type: ignore[misc, arg-type]
        thread = threading.Thread(target=held._keep, daemon=True)
        thread.start()
        wait_for(lambda: desk.asked >= 3)
        assert held.token() == "token-1"
        desk.refuses = ""
        wait_for(lambda: held.token() == "token-2")
    thread.join(5)
    assert not thread.is_alive()


def test_how_long_the_token_lasts_is_told() -> None:
    desk = Desk(100.0)
    with login(desk) as held:
        assert held.expires_in() is None
        held.token()
        left = held.expires_in()
    assert left is not None and 90 < left <= 100


def test_after_close_there_is_none() -> None:
    desk = Desk()
    with login(desk) as held:
        held.token()
    with pytest.raises(Unreachable, match="closed"):
        held.token()
    with pytest.raises(Unreachable, match="closed"):
        held.refused("token-1")
    assert desk.asked == 1


def test_a_grant_does_not_show_its_token() -> None:
    assert "secret" not in repr(Grant("secret", 1.0))
