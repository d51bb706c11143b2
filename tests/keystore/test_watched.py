"""A store that is away, hangs or comes back: nobody waits for it, and everybody knows."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator

import pytest

from openkes.keystore import KeyNotFound, KeyStore, Status, Unreachable, token_expires_in
from openkes.keystore.bounded import MOST_CALLS, MOST_LOST
from openkes.keystore.measured import MeasuredStore
from openkes.keystore.memory import MemoryStore
from openkes.keystore.watched import MOST_PROBES, Timing, WatchedStore
from tests.keystore.conformance import Conformance
from tests.keystore.faulty import AWAY, FaultyStore, running, wait_for

HOUR = 3600.0
#: Nothing happens by itself.
CALM = Timing(patience=HOUR, interval=HOUR, blip=HOUR, heartbeat=HOUR, limit=2 * HOUR)
#: What hangs is found out at once.
QUICK = Timing(patience=0.05, interval=0.02, blip=0.02, heartbeat=0.02, limit=HOUR)
#: A failure counts at once; what hangs does not.
DECIDED = Timing(patience=HOUR, interval=0.02, blip=0.0, heartbeat=0.02, limit=2 * HOUR)

Watch = Callable[[Timing], WatchedStore]


class TestWatched(Conformance):
    @pytest.fixture
    def store(self) -> Iterator[KeyStore]:
        store = WatchedStore(MemoryStore())
        store.start()
        yield store
        store.close()


@pytest.fixture
def store() -> FaultyStore:
    store = FaultyStore()
    store.create("key", b"value")
    return store


@pytest.fixture
def watch(store: FaultyStore) -> Iterator[Watch]:
    """Starts to watch `store`."""
    made: list[WatchedStore] = []

    def begin(timing: Timing) -> WatchedStore:
        watched = WatchedStore(store, timing)
        made.append(watched)
        watched.start()
        return watched

    yield begin
    for watched in made:
        watched.close()


def outcome(call: Callable[[], object]) -> object:
    try:
        return call()
    except Unreachable as error:
        return str(error)


def test_a_store_that_fails_is_away_before_anybody_asks(store: FaultyStore, watch: Watch) -> None:
    watched = watch(DECIDED)
    store.away()
    wait_for(lambda: watched.away == AWAY)


def test_while_away_every_call_fails_at_once_and_asks_nobody(store: FaultyStore, watch: Watch) -> None:
    watched = watch(DECIDED)
    store.away()
    wait_for(lambda: watched.away != "")
    store.calls.clear()
    for call in (
        lambda: watched.create("other", b"value"),
        lambda: watched.get("key"),
        lambda: watched.replace("key", b"value", b"other"),
        lambda: watched.delete("key"),
        lambda: watched.list("", 10),
        watched.status,
    ):
        assert outcome(call) == f"the key store is away: {AWAY}"
    assert set(store.calls) <= {"status"}  # the watch's own


def test_it_comes_back_by_itself(store: FaultyStore, watch: Watch) -> None:
    watched = watch(DECIDED)
    told: list[bool] = []
    watched.listen(told.append)
    store.away()
    wait_for(lambda: watched.away != "")
    store.answer()
    wait_for(lambda: watched.away == "")
    assert watched.get("key") == b"value"
    assert told == [True, False]


def test_who_waits_for_a_store_that_hangs_gets_an_answer(store: FaultyStore, watch: Watch) -> None:
    watched = watch(QUICK)
    store.hang()
    assert "it has not answered for 0.05 s" in str(outcome(lambda: watched.get("key")))
    assert watched.away != ""


def test_a_dead_connection_does_not_hide_that_it_is_back(store: FaultyStore, watch: Watch) -> None:
    watched = watch(QUICK)
    store.hang()
    wait_for(lambda: watched.away != "")
    store.answer_new()
    wait_for(lambda: watched.away == "")
    assert store.hanging > 0


def test_what_a_dead_connection_says_at_last_is_not_believed(store: FaultyStore, watch: Watch) -> None:
    watched = watch(Timing(patience=0.05, interval=0.02, blip=0.0, heartbeat=HOUR, limit=HOUR))
    told: list[bool] = []
    watched.listen(told.append)
    wait_for(lambda: store.calls["status"] == 1 and watched._probing == 0)
    store.hang("status")
    assert "has not answered" in str(outcome(watched.status))
    wait_for(lambda: store.hanging > 1)
    store.answer_new()
    wait_for(lambda: told == [True, False])
    store.lose_hanging()
    wait_for(lambda: watched._probing == 0)
    assert (watched.away, told) == ("", [True, False])


def test_status_calls_that_hang_do_not_pile_up(store: FaultyStore, watch: Watch) -> None:
    watched = watch(QUICK)
    store.hang()
    with running(*[lambda: outcome(watched.status)] * 50):
        pass
    wait_for(lambda: store.hanging == MOST_PROBES)
    assert store.calls["status"] <= MOST_PROBES + 2  # those before it hung


def test_one_failed_status_call_is_no_outage(store: FaultyStore) -> None:
    watched = WatchedStore(store, CALM)
    store.away("status")
    assert outcome(watched.status) == AWAY
    assert outcome(watched.status) == AWAY  # too soon after the first to count
    assert watched.away == ""
    assert watched.get("key") == b"value"


def test_a_failed_call_has_the_status_asked(store: FaultyStore, watch: Watch) -> None:
    watched = watch(Timing(patience=HOUR, interval=0.0, blip=0.0, heartbeat=HOUR, limit=2 * HOUR))
    wait_for(lambda: store.calls["status"] == 1)
    store.away()
    assert outcome(lambda: watched.get("key")) == AWAY
    wait_for(lambda: watched.away == AWAY)


def test_a_key_that_fails_alone_is_no_outage(store: FaultyStore, watch: Watch) -> None:
    watched = watch(Timing(patience=HOUR, interval=0.0, blip=0.0, heartbeat=HOUR, limit=2 * HOUR))
    store.away("get bad")
    for _ in range(3):
        before = store.calls["status"]
        assert outcome(lambda: watched.get("bad")) == AWAY
        wait_for(lambda: store.calls["status"] > before)
    assert (watched.away, watched.get("key")) == ("", b"value")


def test_callers_share_one_status_call(store: FaultyStore) -> None:
    watched = WatchedStore(store, CALM)
    store.hang("status")
    found: list[object] = []
    with running(*[lambda: found.append(watched.status())] * 8):
        wait_for(lambda: watched._probe is not None and len(watched._probe.done._cond._waiters) == 8)  # type: ignore[attr-defined]
        store.answer()
    assert store.calls["status"] == 1
    assert len(found) == 8
    assert isinstance(found[0], Status)


def test_a_call_that_hangs_alone_is_given_up(store: FaultyStore) -> None:
    watched = WatchedStore(store, Timing(patience=0.02, interval=HOUR, blip=HOUR, heartbeat=HOUR, limit=0.05))
    store.hang("get")
    assert outcome(lambda: watched.get("key")) == "the key store has not answered a call for 0.05 s"
    store.answer()
    assert watched.get("key") == b"value"


def test_calls_that_hang_do_not_pile_up(store: FaultyStore) -> None:
    watched = WatchedStore(store, Timing(patience=0.02, interval=HOUR, blip=HOUR, heartbeat=HOUR, limit=2 * HOUR))
    store.hang("get")
    with running(*[lambda: outcome(lambda: watched.get("key"))] * MOST_CALLS):
        wait_for(lambda: store.hanging == MOST_CALLS)
        wait_for(lambda: "is slow" in str(outcome(lambda: watched.list("", 10))))
        store.answer()
    assert watched.get("key") == b"value"


def test_calls_that_never_end_do_not_pile_up(store: FaultyStore) -> None:
    watched = WatchedStore(store, Timing(patience=0.0, interval=HOUR, blip=HOUR, heartbeat=HOUR, limit=0.0))
    store.hang("get")
    for _ in range(MOST_LOST):
        assert "has not answered a call" in str(outcome(lambda: watched.get("key")))
    assert outcome(lambda: watched.get("key")) == f"{MOST_LOST} calls to the key store have never ended"
    store.answer()
    wait_for(lambda: watched._calls._running == 0)
    assert "never ended" not in str(outcome(lambda: watched.get("key")))


def test_calls_in_plenty_wait_for_each_other(store: FaultyStore) -> None:
    watched = WatchedStore(store, CALM)
    store.hang("get")
    found: list[object] = []
    with running(*[lambda: outcome(lambda: watched.get("key"))] * MOST_CALLS):
        wait_for(lambda: store.hanging == MOST_CALLS)
        with running(lambda: found.append(outcome(lambda: watched.list("", 10).names))):
            wait_for(lambda: len(watched._calls._room._waiters) == 1)  # type: ignore[attr-defined]
            store.answer()
    assert found == [["key"]]


def test_who_waits_for_others_hears_that_the_store_is_away(store: FaultyStore) -> None:
    watched = WatchedStore(store, CALM)
    store.hang("get")
    found: list[object] = []
    with running(*[lambda: outcome(lambda: watched.get("key"))] * MOST_CALLS):
        wait_for(lambda: store.hanging == MOST_CALLS)
        with running(lambda: found.append(outcome(lambda: watched.list("", 10).names))):
            wait_for(lambda: len(watched._calls._room._waiters) == 1)  # type: ignore[attr-defined]
            with watched._state:
                watched._gone("it is")
    assert found == ["the key store is away: it is"]
    store.answer()


def test_a_call_that_was_given_up_may_still_be_carried_out(store: FaultyStore, watch: Watch) -> None:
    watched = watch(QUICK)
    store.hang()
    assert "away" in str(outcome(lambda: watched.create("other", b"value")))
    store.answer()
    wait_for(lambda: outcome(lambda: watched.list("", 10).names) == ["key", "other"])  # type: ignore[attr-defined]


def test_the_other_errors_pass_and_are_no_outage(store: FaultyStore) -> None:
    watched = WatchedStore(store, CALM)
    with pytest.raises(KeyNotFound):
        watched.get("missing")
    assert (watched.away, watched._suspected) == ("", False)


def test_a_defect_of_a_store_does_not_end_the_watch(
    store: FaultyStore, watch: Watch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    watched = watch(DECIDED)

    def broken() -> Status:
        raise ZeroDivisionError

    caplog.set_level(logging.ERROR)
    with monkeypatch.context() as defect:
        defect.setattr(store, "status", broken)
        wait_for(lambda: watched.away != "")
    wait_for(lambda: watched.away == "")
    assert "not foreseen" in caplog.text


def test_close_lets_nobody_wait(store: FaultyStore) -> None:
    watched = WatchedStore(store, CALM)
    watched.start()
    found: list[object] = []
    store.hang("get")
    with running(lambda: found.append(outcome(lambda: watched.get("key")))):
        wait_for(lambda: store.hanging == 1)
        watched.close()
    assert found == ["the key store is closed"]
    assert outcome(lambda: watched.get("key")) == "the key store is closed"
    assert store.closed
    watched._thread.join(10)
    assert not watched._thread.is_alive()


def test_threads_are_used_again(store: FaultyStore) -> None:
    watched = WatchedStore(store, CALM)
    used: set[int] = set()
    get = store.inner.get

    def noted(name: str) -> bytes:
        used.add(threading.get_ident())
        return get(name)

    store.inner.get = noted  # type: ignore[method-assign]
    for _ in range(100):
        watched.get("key")
    assert len(used) <= 3
    watched.close()


def test_the_login_is_seen_through_all_layers() -> None:
    class Store(MemoryStore):
        def token_expires_in(self) -> float | None:
            return 42.0

    def layers(store: KeyStore) -> KeyStore:
        return WatchedStore(MeasuredStore(store, lambda *_: None))

    assert token_expires_in(layers(Store())) == 42.0
    assert token_expires_in(layers(MemoryStore())) is None
