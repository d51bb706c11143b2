"""The PostgreSQL store with a synchronous standby: which host is used, and that no key is lost in a failover."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from openkes.keystore import Unreachable
from openkes.keystore.postgres.database import LIMIT_SECONDS
from openkes.keystore.postgres.store import PostgresStore
from openkes.keystore.postgres.target import Target
from tests.keystore.etcd_server import wait_for
from tests.keystore.load import loaded
from tests.keystore.postgres_server import DATABASE, TABLE, Server, needs_postgres, owned_folder, run, running
from tests.servers import free_port

pytestmark = needs_postgres
SLACK = 10.0  # seconds beyond what a call may take, on a loaded machine


@dataclass(slots=True)
class Pair:
    primary: Server
    standby: Server

    def target(self) -> Target:
        """The standby first."""
        return Target((self.standby.host, self.primary.host), DATABASE, "kes", lambda: "secret")

    def synchronous(self) -> None:
        """From now on commits wait for the standby."""
        self.primary.sql("ALTER SYSTEM SET synchronous_standby_names = 'standby'; ", "postgres")
        self.primary.sql("SELECT pg_reload_conf()", "postgres")
        wait_for(self.is_synchronous, "the standby does not follow")

    def is_synchronous(self) -> bool:
        return "sync" in self.primary.sql("SELECT sync_state FROM pg_stat_replication", "postgres").split()

    def waits(self) -> bool:
        """A commit waits for the standby."""
        return self.primary.sql("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'", "postgres") != ""


@pytest.fixture
def pair() -> Iterator[Pair]:
    with running() as primary, owned_folder() as folder:
        standby = Server(folder, free_port(), {"cluster_name": "standby"})
        run("pg_basebackup", "-D", str(folder / "data"), "-c", "fast", "-R", **primary.environment())
        standby.start()
        try:
            yield Pair(primary, standby)
        finally:
            standby.destroy()


@pytest.fixture
def store(pair: Pair) -> Iterator[PostgresStore]:
    store = PostgresStore(pair.target(), TABLE)
    pair.synchronous()
    yield store
    store.close()


def test_a_standby_is_passed_over(pair: Pair, store: PostgresStore) -> None:
    store.create("key", b"entry")
    assert pair.primary.sql("SELECT count(*) FROM openkes.keys") == "1\n"


def test_standbys_alone_are_said(pair: Pair, store: PostgresStore) -> None:
    target = Target((pair.standby.host,), DATABASE, "kes", lambda: "secret")
    with pytest.raises(Unreachable, match="session is read-only; it is a standby"):
        PostgresStore(target, TABLE)


@pytest.mark.parametrize("how", [signal.SIGQUIT, signal.SIGSTOP], ids=["crash", "hang"])
def test_a_failover_under_load_loses_no_acknowledged_key(pair: Pair, store: PostgresStore, how: signal.Signals) -> None:
    with loaded(store) as load:
        load.wait_for_more(20)
        if how is signal.SIGQUIT:
            pair.primary.stop(how)
        else:
            pair.primary.signal_all(how)
        pair.standby.sql("SELECT pg_promote()", "postgres")
        promoted = time.monotonic()
        load.wait_for_more(20)
    assert load.failed_after(promoted + LIMIT_SECONDS) == []
    load.check(store)


def test_a_create_that_the_standby_does_not_confirm_is_not_reported(pair: Pair, store: PostgresStore) -> None:
    pair.standby.signal_all(signal.SIGSTOP)
    begin = time.monotonic()
    with pytest.raises(Unreachable, match="no synchronous standby confirms"):
        store.create("key", b"entry")
    assert time.monotonic() - begin < LIMIT_SECONDS + SLACK
    assert store.list("", 10).names == []
    pair.standby.signal_all(signal.SIGCONT)
    wait_for(lambda: store.list("", 10).names == ["key"], "it is not confirmed")


def test_a_wait_for_the_standby_that_is_cancelled_is_no_success(pair: Pair, store: PostgresStore) -> None:
    """PostgreSQL then says that the change is committed, and warns."""
    failed: list[str] = []
    ended = threading.Event()

    def create() -> None:
        try:
            store.create("key", b"entry")
        except Unreachable as error:
            failed.append(str(error))
        ended.set()

    pair.standby.signal_all(signal.SIGSTOP)
    thread = threading.Thread(target=create)
    thread.start()
    while not ended.is_set():
        pair.primary.sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'", "postgres")
        ended.wait(0.05)
    thread.join()
    pair.standby.signal_all(signal.SIGCONT)
    assert len(failed) == 1
    assert "no synchronous standby confirms" in failed[0]


def test_a_create_that_the_standby_confirms_late_is_reported_once(pair: Pair, store: PostgresStore) -> None:
    done: list[bool] = []
    pair.standby.signal_all(signal.SIGSTOP)
    thread = threading.Thread(target=lambda: done.append(store.create("key", b"entry") is None))
    thread.start()
    wait_for(pair.waits, "nothing waits")
    pair.primary.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'", "postgres")
    pair.standby.signal_all(signal.SIGCONT)
    thread.join()
    assert done == [True]
    pair.primary.stop(signal.SIGQUIT)
    pair.standby.sql("SELECT pg_promote()", "postgres")
    assert store.get("key") == b"entry"
