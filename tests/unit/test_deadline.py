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


def test_a_thread_is_used_again() -> None:
    deadline = Deadline()
    threads = {deadline.run(threading.get_ident, 10) for _ in range(20)}
    assert len(threads) == 1


def test_a_thread_without_work_ends_and_another_takes_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openkes.keystore.workers.IDLE", 0.0)
    deadline = Deadline()
    for i in range(200):  # some of them come at the moment in which the thread leaves
        assert deadline.run(lambda i=i: i, 60) == i
    thread = deadline.run(threading.current_thread, 60)
    thread.join(60)
    assert not thread.is_alive()


def test_a_late_call_does_not_end_its_thread() -> None:
    deadline = Deadline()
    gate, over = threading.Event(), threading.Event()

    def late() -> None:
        gate.wait()
        over.set()
        raise KeyError("nobody hears it")

    with pytest.raises(APIError, match="timed out"):
        deadline.run(late, 0.01)
    gate.set()
    assert over.wait(60)
    assert [deadline.run(lambda i=i: i, 60) for i in range(5)] == list(range(5))


def test_calls_from_many_threads_get_their_own_results() -> None:
    deadline = Deadline()
    wrong: list[object] = []

    def call(number: int) -> None:
        for i in range(200):
            found = deadline.run(lambda i=i: (number, i), 60)
            if found != (number, i):
                wrong.append((number, i, found))

    callers = [threading.Thread(target=call, args=(number,)) for number in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert wrong == []
