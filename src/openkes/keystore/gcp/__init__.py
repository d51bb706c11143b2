"""The key store in Google Secret Manager: a secret per key, named as the key, version 1 the entry as it was created.

Owns which requests are which call, and what follows when nobody knows whether one took effect. Must not know Google's
client (`client` does) nor how a version names the one before (`chain` does).
Versions get their numbers from the service: whoever gets number 1 has created the key. Nothing is ever destroyed but
by `delete`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from openkes import names
from openkes.keystore import KeyExists, KeyNotFound, Page, Status, Unreachable
from openkes.keystore.attempts import Attempts, Passing
from openkes.keystore.gcp import chain
from openkes.keystore.gcp.chain import FIRST, Current
from openkes.keystore.gcp.client import Account, Client
from openkes.keystore.gcp.failures import Absent, Changed, Taken
from openkes.keystore.gcp.reader import Reader
from openkes.keystore.paging import page_of

MAX_BYTES = 65_536  # of a version; a limit of the service
LIST_SECONDS = 11.0
_NOBODY = "openkes-probe-status"  # a name that is never stored


class GCPStore:
    """Implements `KeyStore`."""

    def __init__(
        self,
        project: str,
        endpoint: str = "",
        scopes: tuple[str, ...] = (),
        account: Callable[[], Account] | None = None,
    ) -> None:
        """Reads once: Unreachable when nobody answers, or the login or its permission is no good."""
        self._client = Client(project, endpoint, scopes, account)
        self._reader = Reader(self._client)
        try:
            self.status()
        except Unreachable:
            self.close()
            raise

    def create(self, name: str, value: bytes) -> None:
        _check(name)
        self._check_size(value)
        attempts, maybe_done = self._attempts(), False
        while True:
            try:
                number = self._added(name, value)
                if number == FIRST:
                    return
                if maybe_done and self._client.access(name, FIRST) == value:
                    return
                raise KeyExists(name)
            except Absent:
                text = f"secret {name} was deleted while it was created, or there is no such project"
                failed = Unreachable(f"{self._client}: {text}")
            except Changed as error:
                raise Unreachable(f"{self._client}: secret {name} does not take a version ({error})") from None
            except Passing as error:
                failed, maybe_done = error, maybe_done or error.maybe_done
            if not attempts.pause():
                raise failed

    def _added(self, name: str, value: bytes) -> int:
        """The number of the version that has `value`, which is there already or is added; any other one when the
        name is taken. A secret without a version is what a server left that was killed while it created a key."""
        try:
            self._client.create(name)
        except Taken:
            try:
                self._client.access(name, FIRST)
            except Absent:
                pass
            except Changed:
                return 0  # it is there, and disabled
            else:
                return 0
        return self._client.add(name, value)

    def get(self, name: str) -> bytes:
        return self._current(name, self._attempts()).value

    def replace(self, name: str, old: bytes, new: bytes) -> None:
        attempts = self._attempts()
        found = self._current(name, attempts)
        if found.value != old:
            raise KeyExists(name)
        data = chain.successor(found.number, new)
        self._check_size(data)
        failed, maybe_done = self._reader.unknown(name), False
        while True:
            number = 0
            try:
                number = self._client.add(name, data)
            except Absent:
                raise KeyNotFound(name) from None
            except Changed as error:
                raise Unreachable(f"{self._client}: secret {name} does not take a version ({error})") from None
            except Passing as error:
                failed, maybe_done = error, maybe_done or error.maybe_done
            after = self._reader.after(name, found, number, attempts) if number or maybe_done else None
            if after is not None:
                if after != data:
                    raise KeyExists(name)
                return
            if not attempts.pause():
                raise failed

    def delete(self, name: str) -> None:
        _check(name)
        attempts = self._attempts()
        first, etag = self._described(name, attempts)
        created, maybe_done = first, False
        while created == first:
            try:
                self._client.remove(name, etag)
            except Absent:
                break
            except Changed:
                failed = Unreachable(f"{self._client}: secret {name} is changed all the time; try again")
            except Passing as error:
                failed, maybe_done = error, maybe_done or error.maybe_done
            else:
                maybe_done = True
                break
            if not attempts.pause():
                raise failed
            try:
                created, etag = self._described(name, attempts)
            except KeyNotFound:
                break
        self._reader.forget(name)
        if not maybe_done:
            raise KeyNotFound(name)

    def _described(self, name: str, attempts: Attempts) -> tuple[str, str]:
        """When the secret was created, and its etag. KeyNotFound, Unreachable."""
        try:
            created, etag = attempts.repeat(lambda: self._client.describe(name))
            with contextlib.suppress(Changed):
                attempts.repeat(lambda: self._client.access(name, FIRST))
        except Absent:
            raise KeyNotFound(name) from None
        return created, etag

    def list(self, prefix: str, limit: int, start: str = "") -> Page:
        attempts = Attempts(self._client.closed, LIST_SECONDS)
        while True:
            found: list[str] = []
            try:
                for page in self._client.pages():
                    found += page
                    if not attempts.left:
                        raise Unreachable(
                            f"{self._client}: listing took longer than {LIST_SECONDS:g} s, after {len(found)} names;"
                            " keep what is no key of this server in another project"
                        )
            except (Absent, Taken, Changed) as error:
                raise Unreachable(f"{self._client}: there is no such project ({error})") from None
            except Passing:
                if not attempts.pause():
                    raise
            else:
                return page_of(filter(names.is_valid, found), prefix, limit, start)

    def status(self) -> Status:
        begin = time.perf_counter()
        with contextlib.suppress(Absent):
            self._reader.access(_NOBODY, FIRST, self._attempts())
        return Status(time.perf_counter() - begin)

    def close(self) -> None:
        self._client.close()

    def _attempts(self) -> Attempts:
        return Attempts(self._client.closed)

    def _current(self, name: str, attempts: Attempts) -> Current:
        """KeyNotFound, Unreachable."""
        _check(name)
        return self._reader.current(name, attempts)

    def _check_size(self, data: bytes) -> None:
        if len(data) > MAX_BYTES:
            raise Unreachable(
                f"the entry has {len(data)} bytes and Google Secret Manager takes {MAX_BYTES}: it has too many"
                " versions; make a new key"
            )


def _check(name: str) -> None:
    if not names.is_valid(name):
        raise KeyNotFound(name)
