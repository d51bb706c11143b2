"""The PostgreSQL store while its server is restarted, crashes or hangs, under a load of creates and reads."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator

import pytest

from openkes.keystore import Unreachable
from openkes.keystore.postgres.database import LIMIT_SECONDS
from openkes.keystore.postgres.session import Session
from openkes.keystore.postgres.store import PostgresStore
from tests.keystore.etcd_server import wait_for
from tests.keystore.load import loaded
from tests.keystore.postgres_server import TABLE, Server, needs_postgres, running

pytestmark = needs_postgres
SLACK = 10.0  # seconds beyond what a call may take, on a loaded machine


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running() as server:
        yield server


@pytest.fixture
def store(server: Server) -> Iterator[PostgresStore]:
    store = PostgresStore(server.target("secret"), TABLE)
    yield store
    store.close()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["restart", "crash"])
def test_no_acknowledged_key_is_lost_and_calls_recover_by_themselves(
    server: Server, store: PostgresStore, how: signal.Signals
) -> None:
    with loaded(store) as load:
        for _ in range(3):
            server.stop(how)
            server.start()
            back = time.monotonic()
            load.wait_for_more(20)
    assert load.failed_after(back) == []
    assert load.slowest < LIMIT_SECONDS + SLACK
    load.check(store)


def test_a_connection_that_is_killed_under_load_is_noticed_by_nobody(server: Server, store: PostgresStore) -> None:
    with loaded(store) as load:
        for _ in range(5):
            server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'kes'")
            load.wait_for_more(10)
    assert load.failures == []
    load.check(store)


def test_a_connection_that_is_killed_while_it_is_set_up(
    server: Server, store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'kes'"
    start, killed = Session._start, threading.Event()

    def killed_first(session: Session, host: str) -> None:
        if not killed.is_set():
            server.sql(kill)
            killed.set()
        start(session, host)

    store.create("set-up", b"entry")
    server.sql(kill)
    monkeypatch.setattr(Session, "_start", killed_first)
    assert store.get("set-up") == b"entry"
    assert killed.is_set()


def test_a_server_that_hangs_is_unreachable_and_then_goes_on(server: Server, store: PostgresStore) -> None:
    store.create("key", b"entry")
    server.signal_all(signal.SIGSTOP)
    for call in (lambda: store.get("key"), lambda: store.create("other", b"entry")):
        begin = time.monotonic()
        with pytest.raises(Unreachable):
            call()
        assert time.monotonic() - begin < LIMIT_SECONDS + SLACK
    server.signal_all(signal.SIGCONT)
    wait_for(lambda: reads(store), "it does not recover")
    assert store.get("key") == b"entry"
    # What was under way may have been done: then it is there whole.
    assert store.list("other", 10).names in ([], ["other"])


def reads(store: PostgresStore) -> bool:
    try:
        store.status()
    except Unreachable:
        return False
    return True
