"""A key store around another one that reports how long each call took."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from openkes.keystore import KeyStore, Page, Status, Unreachable, token_expires_in

_T = TypeVar("_T")
#: report(call, seconds, failed); failed means Unreachable: an absent key is an answer.
Report = Callable[[str, float, bool], None]


class MeasuredStore:
    """Implements `KeyStore`."""

    def __init__(self, store: KeyStore, report: Report) -> None:
        self._store = store
        self._report = report

    def create(self, name: str, value: bytes) -> None:
        self._measure("create", lambda: self._store.create(name, value))

    def get(self, name: str) -> bytes:
        return self._measure("get", lambda: self._store.get(name))

    def replace(self, name: str, old: bytes, new: bytes) -> None:
        self._measure("replace", lambda: self._store.replace(name, old, new))

    def delete(self, name: str) -> None:
        self._measure("delete", lambda: self._store.delete(name))

    def list(self, prefix: str, limit: int, start: str = "") -> Page:
        return self._measure("list", lambda: self._store.list(prefix, limit, start))

    def status(self) -> Status:
        return self._measure("status", self._store.status)

    def close(self) -> None:
        self._store.close()

    def token_expires_in(self) -> float | None:
        return token_expires_in(self._store)

    def _measure(self, name: str, call: Callable[[], _T]) -> _T:
        begin = time.perf_counter()
        failed = False
        try:
            return call()
        except Unreachable:
            failed = True
            raise
        finally:
            self._report(name, time.perf_counter() - begin, failed)
