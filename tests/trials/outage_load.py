"""Who asks a key server during an outage of its key store: clients of keys in memory, and a probe of `/v1/ready`."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import urllib3

from openkes.client import Client, ClientError
from tests.servers import KeyServer

_T = TypeVar("_T")
CLIENTS = 4
PAUSE = 0.02  # seconds between calls of a client: load is not the question here
PROBE = 0.1  # seconds between two looks at ready


class Load:
    """Clients that generate, decrypt, and open what was sealed before. `failures` must stay empty."""

    def __init__(self, server: KeyServer, names: list[str]) -> None:
        self._server = server
        self._names = names
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.calls = 0
        self.slowest = 0.0
        self.failures: list[str] = []

    def reset(self) -> int:
        """The slowest call is looked for anew; how many calls there were."""
        with self._lock:
            self.slowest = 0.0
            return self.calls

    @contextmanager
    def running(self) -> Iterator[Load]:
        threads = [threading.Thread(target=self._work) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def _work(self) -> None:
        with self._server.client() as client:
            old = {name: client.generate(name, name.encode()) for name in self._names}
            while not self._stop.wait(PAUSE):
                for name in self._names:
                    try:
                        self._use(client, name, *old[name])
                    except ClientError as error:
                        self.failures.append(f"{name}: {error}")
                    self._stop.wait(PAUSE)

    def _use(self, client: Client, name: str, plaintext: bytes, sealed: bytes) -> None:
        context = os.urandom(8)
        new, ciphertext = self._timed(lambda: client.generate(name, context))
        opened = self._timed(lambda: client.decrypt(name, ciphertext, context))
        again = self._timed(lambda: client.decrypt(name, sealed, name.encode()))
        if (opened, again) != (new, plaintext):
            self.failures.append(f"{name}: another plaintext")

    def _timed(self, call: Callable[[], _T]) -> _T:
        begin = time.monotonic()
        result = call()
        with self._lock:
            self.calls += 1
            self.slowest = max(self.slowest, time.monotonic() - begin)
        return result


class Ready:
    """Asks `/v1/ready` again and again. `last` is the newest status; every answer must come."""

    def __init__(self, server: KeyServer) -> None:
        self._url = f"{server.url}/v1/ready"
        self._pool = urllib3.PoolManager(
            cert_file=str(server.admin.cert),
            key_file=str(server.admin.key),
            ca_certs=str(server.tls.cert),
            retries=False,
            timeout=20.0,
        )
        self._stop = threading.Event()
        self.last = 0
        self.slowest = 0.0
        self.failures: list[str] = []

    @contextmanager
    def running(self) -> Iterator[Ready]:
        thread = threading.Thread(target=self._work)
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join()
            self._pool.clear()

    def _work(self) -> None:
        while not self._stop.wait(PROBE):
            begin = time.monotonic()
            try:
                self.last = self._pool.request("GET", self._url).status
            except urllib3.exceptions.HTTPError as error:
                self.failures.append(f"ready gives no answer: {error}")
            if self.last not in (200, 504):
                self.failures.append(f"ready answers {self.last}")
            self.slowest = max(self.slowest, time.monotonic() - begin)


def wait_for(condition: Callable[[], bool], seconds: float, otherwise: str) -> float:
    """Until it holds; the seconds that took. AssertionError after `seconds`."""
    begin = time.monotonic()
    pause = threading.Event()
    while not condition():
        assert time.monotonic() - begin < seconds, otherwise
        pause.wait(0.05)
    return time.monotonic() - begin
