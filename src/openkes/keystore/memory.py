"""The key store for evaluation: a dictionary. Everything is gone when the process ends."""

from __future__ import annotations

import threading
import time

from openkes.keystore import KeyExists, KeyNotFound, Page, Status, Unreachable
from openkes.keystore.paging import page_of


class MemoryStore:
    """Implements `KeyStore`."""

    def __init__(self) -> None:
        self._entries: dict[str, bytes] = {}
        self._lock = threading.Lock()
        self._closed = False

    def create(self, name: str, value: bytes) -> None:
        with self._lock:
            self._check_open()
            if name in self._entries:
                raise KeyExists(name)
            self._entries[name] = value

    def get(self, name: str) -> bytes:
        with self._lock:
            self._check_open()
            try:
                return self._entries[name]
            except KeyError:
                raise KeyNotFound(name) from None

    def replace(self, name: str, old: bytes, new: bytes) -> None:
        with self._lock:
            self._check_open()
            if name not in self._entries:
                raise KeyNotFound(name)
            if self._entries[name] != old:
                raise KeyExists(name)
            self._entries[name] = new

    def delete(self, name: str) -> None:
        with self._lock:
            self._check_open()
            try:
                del self._entries[name]
            except KeyError:
                raise KeyNotFound(name) from None

    def list(self, prefix: str, limit: int, start: str = "") -> Page:
        with self._lock:
            self._check_open()
            return page_of(self._entries, prefix, limit, start)

    def status(self) -> Status:
        begin = time.perf_counter()
        with self._lock:
            self._check_open()
        return Status(time.perf_counter() - begin)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._entries.clear()

    def _check_open(self) -> None:
        if self._closed:
            raise Unreachable("the memory key store is closed")
