"""A bound on time: results and errors pass, what hangs is given up, and hanging calls are bounded too."""

from __future__ import annotations

import threading

import pytest

from openkes.errors import APIError
from openkes.server import deadline as module
from openkes.server.deadline import Deadline


def test_results_pass() -> None:
    assert Deadline().run(lambda: 7, 10) == 7
    assert Deadline().run(lambda: None, 10) is None


def test_errors_pass() -> None:
    def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        Deadline().run(fail, 10)


def test_what_hangs_is_given_up() -> None:
    gate = threading.Event()
    with pytest.raises(APIError, match="timed out"):
        Deadline().run(gate.wait, 0.01)
    gate.set()


def test_hanging_calls_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_RUNNING", 1)
    deadline = Deadline()
    gate, over = threading.Event(), threading.Event()

    def hang() -> None:
        gate.wait()
        over.set()

    with pytest.raises(APIError):
        deadline.run(hang, 0.01)
    with pytest.raises(APIError):
        deadline.run(lambda: 7, 10)
    gate.set()
    over.wait()


def test_a_call_that_is_over_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_RUNNING", 1)
    deadline = Deadline()
    for i in range(5):
        assert deadline.run(lambda i=i: i, 10) == i
