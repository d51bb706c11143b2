"""Both engines behind one fixture, with doors that tell what they were given."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import ec

from openkes import front
from openkes.front import Application, Front, HotDoor, Limits, Peer, TLSFiles
from tests.front.certificates import Client, client

#: Short enough for tests that run into a limit, long enough for a busy machine.
QUICK = Limits(handshake=1.0, header=1.0, body=1.0, idle=1.5, write=1.5, drain=5.0)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "engine" not in metafunc.fixturenames:
        return
    absent = pytest.mark.skipif(not front.have_engine(), reason="openkes-engine is not installed: tools/engine.sh")
    engines = [pytest.param(True, id="engine", marks=absent), pytest.param(False, id="python")]
    if metafunc.definition.get_closest_marker("http2"):
        engines.pop()
    metafunc.parametrize("engine", engines)


class Doors:
    """A hot door for paths under /hot, an application for the rest; both answer with what they got."""

    def __init__(self) -> None:
        self.peers: list[Peer] = []
        self.hot_threads: set[int] = set()
        self.hot_calls: list[str] = []
        self.told: list[tuple[str, str, front.Headers, Peer, int, float]] = []
        self.lock = threading.Lock()

    def hot(
        self, method: str, path: str, peer: Peer, declared_length: int | None, body: bytes
    ) -> tuple[int, bytes] | None:
        with self.lock:
            self.peers.append(peer)
            self.hot_threads.add(threading.get_ident())
            self.hot_calls.append(path)
        if not path.startswith("/hot"):
            return None
        return 200, told("hot", method, path, peer, declared_length, body)

    def application(
        self,
        method: str,
        target: str,
        headers: front.Headers,
        peer: Peer,
        declared_length: int | None,
        body: bytes,
    ) -> front.Response:
        with self.lock:
            self.peers.append(peer)
        text = told("application", method, target, peer, declared_length, body, headers=headers)
        return 200, [("content-type", "application/json")], [text]

    def refused(self, *told: *tuple[str, str, front.Headers, Peer, int, float]) -> None:
        with self.lock:
            self.told.append(told)

    @property
    def refusals(self) -> list[tuple[str, str, int]]:
        """Method, target and status of what the front refused by itself."""
        return [(method, target, status) for method, target, _, _, status, _ in self.told]


class HeldUp:
    """A hot door that takes longer over /hold than a client has for a head (`QUICK`), as one whose audit log is on a
    disk that hangs."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self._never = threading.Event()

    def hot(self, _method: str, path: str, *_: object) -> tuple[int, bytes]:
        if path == "/hold":
            self.begun.set()
            self._never.wait(QUICK.header * 1.3)
        return 200, b"{}"


def told(door: str, method: str, target: str, peer: Peer, declared: int | None, body: bytes, **more: Any) -> bytes:
    facts = {
        "door": door,
        "method": method,
        "target": target,
        "address": peer.address,
        "identity": peer.identity,
        "certificate": peer.certificate and base64.b64encode(peer.certificate).decode(),
        "chain_length": peer.chain_length,
        "declared_length": declared,
        "body": base64.b64encode(body).decode(),
    }
    return json.dumps(facts | more).encode()


class Served:
    """A running front. `address` is where."""

    def __init__(self, running: Front, doors: Doors) -> None:
        self.front = running
        self.address = running.address
        self.doors = doors


Serve = Callable[..., Served]


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


def files_of(authority: trustme.CA, name: str = "localhost", client_ca: bytes | None = None) -> TLSFiles:
    leaf = authority.issue_cert(name)
    return TLSFiles(b"".join(pem.bytes() for pem in leaf.cert_chain_pems), leaf.private_key_pem.bytes(), client_ca)


@pytest.fixture(scope="session")
def files(authority: trustme.CA) -> TLSFiles:
    return files_of(authority)


@pytest.fixture
def serve(engine: bool, files: TLSFiles) -> Iterator[Serve]:
    """serve(hot=…, application=…, refused=…, limits=…, files=…, host=…): starts a front, stopped after the test."""
    started: list[Front] = []

    def make(
        hot: HotDoor | None = None,
        application: Application | None = None,
        refused: front.OnRefusal | None = None,
        limits: Limits | None = None,
        tls: TLSFiles | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> Served:
        doors = Doors()
        running = front.start(
            host,
            port,
            tls or files,
            hot or doors.hot,
            application or doors.application,
            refused=refused or doors.refused,
            limits=limits or Limits(drain=2.0),
            engine=engine,
        )
        started.append(running)
        assert running.name == ("engine" if engine else "python")
        return Served(running, doors)

    yield make
    for running in started:
        running.stop()


@pytest.fixture
def p256(tmp_path: Path) -> Client:
    return client(tmp_path, ec.generate_private_key(ec.SECP256R1()))


def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for a condition; AssertionError when it does not come."""
    pause = threading.Event()
    for _ in range(int(seconds * 200)):
        if condition():
            return
        pause.wait(0.005)
    raise AssertionError("the condition did not come true in time")
