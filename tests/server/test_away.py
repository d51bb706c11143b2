"""A server whose key store is away or hangs: what it answers meanwhile, through a real front, over TLS."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from openkes import front
from openkes.client import AnswerError, Client, Endpoint, KeyFiles, Trust
from openkes.crypto.aead import Algorithm
from openkes.crypto.entry import Key
from openkes.front import TLSFiles
from openkes.front.wsgi import application_from_wsgi
from openkes.keystore.cache import Expiry, KeyCache
from openkes.keystore.lifecycle import Lifecycle
from openkes.keystore.measured import MeasuredStore
from openkes.keystore.watched import Timing, WatchedStore
from openkes.server.app import create_app
from openkes.server.audit import NoAuditLog
from openkes.server.hot import create_door
from openkes.server.metrics import Metrics
from openkes.server.state import Settings, State
from tests.keystore.faulty import FaultyStore, running, wait_for
from tests.servers import Identity, make_identity

HOUR = 3600.0
CALLERS = 40  # more than twice the threads of the front
#: What hangs is found out soon; a status call that answers is quick enough on any machine.
TIMING = Timing(patience=2.0, interval=0.05, blip=0.05, heartbeat=HOUR, limit=HOUR)


@dataclass
class Server:
    """One in this process; `passed_on` are the calls that the hot door did not answer."""

    store: FaultyStore
    watched: WatchedStore
    state: State
    admin: Identity
    certificate: Path
    port: int = 0
    passed_on: list[str] = field(default_factory=list)

    def client(self) -> Client:
        return Client(
            Endpoint("127.0.0.1", self.port), KeyFiles(self.admin.key, self.admin.cert), Trust(self.certificate)
        )

    def ask(self, call: Callable[[Client], object]) -> object:
        """What it answers: the result, or the status of an error."""
        with self.client() as client:
            try:
                return call(client)
            except AnswerError as error:
                return error.status

    def create(self, name: str) -> None:
        self.state.lifecycle.create(name, Key(Algorithm.AES256, os.urandom(32), os.urandom(32), 1, "me"))


Serve = Callable[..., Server]


@contextmanager
def serving(folder: Path, engine: bool, expiry: Expiry, timing: Timing) -> Iterator[Server]:
    admin, tls = make_identity(folder, "admin"), make_identity(folder, "server")
    metrics = Metrics()
    store = FaultyStore()
    watched = WatchedStore(MeasuredStore(store, metrics.observe_store), timing)
    cache = KeyCache(watched, expiry)
    watched.listen(cache.store_away)
    lifecycle = Lifecycle(cache)
    lifecycle.scan()
    settings = Settings(admin.identity, {}, {}, {}, 0)
    server = Server(
        store, watched, State(settings, cache, NoAuditLog(), lifecycle, metrics), admin, tls.cert
    )  # fmt: skip
    application = application_from_wsgi(create_app(server.state).wsgi_app)

    def noted(method: str, target: str, *rest: object) -> front.Response:
        server.passed_on.append(target)
        return application(method, target, *rest)  # type: ignore[arg-type]

    files = TLSFiles(tls.cert.read_bytes(), tls.key.read_bytes())
    running_front = front.start("127.0.0.1", 0, files, create_door(server.state), noted, engine=engine)
    server.port = running_front.address[1]
    watched.start()
    try:
        yield server
    finally:
        store.answer()
        running_front.stop()
        watched.close()


@pytest.fixture
def serve(tmp_path: Path, engine: dict[str, str]) -> Iterator[Serve]:
    """Starts a server: (expiry, timing)."""
    with ExitStack() as stack:

        def start(expiry: Expiry = Expiry(), timing: Timing = TIMING) -> Server:
            compiled = engine["OPENKES_ENGINE"] == "engine"
            return stack.enter_context(serving(tmp_path, compiled, expiry, timing))

        yield start


def test_a_store_that_hangs_takes_no_threads_from_what_needs_none(serve: Serve) -> None:
    server = serve()
    names = [f"key-{i}" for i in range(CALLERS)]
    for name in names:
        server.create(name)
    server.state.keys.clear()
    server.store.hang()
    answers: list[object] = []

    def generate(name: str) -> None:
        answers.append(server.ask(lambda client: client.generate(name)))

    with running(*[partial(generate, name) for name in names]):
        pass
    assert answers == [502] * CALLERS
    # The store hangs all the while.
    assert server.ask(lambda client: client._transport.exchange("GET", "/v1/ready")) == 504
    status = server.ask(lambda client: client.status())
    assert isinstance(status, dict)
    assert status["keystore_unreachable"] is True
    assert "openkes_keystore_reachable 0.0" in str(server.ask(lambda client: client.metrics()))
    assert server.store.hanging > 0
    assert server.ask(lambda client: client.create_key("new")) == 502


def test_a_store_that_hangs_for_keys_alone_leaves_threads_for_the_rest(serve: Serve) -> None:
    server = serve(timing=Timing(patience=1.0, interval=HOUR, blip=HOUR, heartbeat=HOUR, limit=3.0))
    names = [f"key-{i}" for i in range(CALLERS)]
    for name in names:
        server.create(name)
    server.state.keys.clear()
    server.store.hang("get")
    answers: list[object] = []

    def generate(name: str) -> None:
        answers.append(server.ask(lambda client: client.generate(name)))

    with running(*[partial(generate, name) for name in names]):
        pass
    assert answers == [502] * CALLERS
    assert server.ask(lambda client: client._transport.exchange("GET", "/v1/ready")) == b""
    assert server.store.hanging > 0


def test_keys_in_memory_are_served_by_the_hot_door(serve: Serve) -> None:
    server = serve(Expiry(any=0.05, unused=0.05, offline=HOUR))
    server.create("key")
    server.store.away()
    wait_for(lambda: server.ask(lambda client: client.list_keys()) == 502 and server.watched.away != "")
    with server.client() as client:
        plaintext, ciphertext = client.generate("key", b"context")
        assert client.decrypt("key", ciphertext, b"context") == plaintext
        # What MinIO asks when it starts, and then every ten seconds.
        client.generate("key")
        assert client.describe_key("key")["name"] == "key"
    assert [target for target in server.passed_on if not target.startswith("/v1/key/list")] == []


def test_what_the_key_in_memory_does_not_open_is_not_called_forged(serve: Serve) -> None:
    server = serve(Expiry(offline=HOUR))
    server.create("key")
    with server.client() as client:
        _, ciphertext = client.generate("key")
    forged = ciphertext[:-1] + bytes([ciphertext[-1] ^ 1])
    assert server.ask(lambda client: client.decrypt("key", forged)) == 400
    server.store.away()
    wait_for(lambda: server.ask(lambda client: client.list_keys()) == 502 and server.watched.away != "")
    # Another server may have rotated the key meanwhile; a client tries its next endpoint after this answer.
    assert server.ask(lambda client: client.decrypt("key", forged)) == 502
    with server.client() as client:
        client.decrypt("key", ciphertext)


def test_a_server_recovers_by_itself(serve: Serve) -> None:
    server = serve(Expiry(any=0.05, unused=0.05))
    server.create("key")
    server.store.away()
    wait_for(lambda: server.ask(lambda client: client.generate("key")) == 502 and server.watched.away != "")
    server.store.answer()
    wait_for(lambda: server.watched.away == "")
    with server.client() as client:
        assert client.generate("key")
        assert "keystore_latency" in client.status()
        assert "openkes_keystore_reachable 1.0" in client.metrics()
