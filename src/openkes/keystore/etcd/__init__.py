"""The key store in etcd: a key per entry under a prefix, every write a transaction.

Owns which transaction is which call, and what follows when nobody knows whether one took effect. Must not know HTTP,
endpoints or logins (`gateway` does).
Reads are linearizable: what one key server was told is stored, every other one sees.
"""

from __future__ import annotations

import time

from openkes import names
from openkes.keystore import KeyExists, KeyNotFound, Page, Status, Unreachable
from openkes.keystore.etcd import messages
from openkes.keystore.etcd.gateway import Gateway
from openkes.keystore.etcd.login import Login
from openkes.keystore.etcd.messages import Stored
from openkes.keystore.http import ClientTLS, MaybeDone

LIMIT_SECONDS = 9.0  # of one call, all attempts together; below the 15 s that a request has
_PAGE = 5_000  # names asked for at once; about 1 MB of JSON


class EtcdStore:
    """Implements `KeyStore`. `prefix` ends with a slash."""

    def __init__(
        self, endpoints: tuple[str, ...], prefix: str, tls: ClientTLS | None = None, login: Login | None = None
    ) -> None:
        """Reads once: Unreachable when nobody answers, or the login or its permission is no good."""
        self._prefix = prefix
        self._gateway = Gateway(endpoints, prefix, tls or ClientTLS(), login)
        try:
            self.status()
        except Unreachable:
            self.close()
            raise

    def create(self, name: str, value: bytes) -> None:
        key = self._key(name)
        done, there, maybe_done = self._change(messages.create(key, value), _until())
        # Its value is nobody else's, unless two are told to store the same at the same time.
        if not done and not (maybe_done and there is not None and there.value == value):
            raise KeyExists(name)

    def get(self, name: str) -> bytes:
        return self._read(name, _until()).value

    def replace(self, name: str, old: bytes, new: bytes) -> None:
        until = _until()
        found = self._read(name, until)
        if found.value != old:
            raise KeyExists(name)
        done, there, maybe_done = self._change(messages.replace(self._key(name), found.modified, new), until)
        if done or (maybe_done and there is not None and there.value == new):
            return
        if there is None:
            raise KeyNotFound(name)
        raise KeyExists(name)

    def delete(self, name: str) -> None:
        until = _until()
        first = found = self._read(name, until)
        maybe_done = False
        while True:
            # This very entry: one that somebody creates under its name, once it is gone, stays.
            done, there, unsure = self._change(messages.delete(self._key(name), found.modified), until)
            maybe_done |= unsure
            gone = there is None or there.created != first.created
            if done or (gone and maybe_done):
                return
            if there is None:
                raise KeyNotFound(name)
            first, found = (there, there) if gone else (first, there)

    def list(self, prefix: str, limit: int, start: str = "") -> Page:
        if start > prefix and not start.startswith(prefix):
            return Page([], "")
        found: list[str] = []
        at, end = self._bytes(max(prefix, start)), messages.after_all(self._bytes(prefix))
        more = True
        while more and len(found) <= limit:
            document = self._gateway.call(messages.RANGE, messages.names(at, end, _PAGE), _until())
            keys, more = messages.keys_in(document)
            listed = (key[len(self._prefix) :].decode(errors="replace") for key in keys)
            found += [name for name in listed if names.is_valid(name)]
            at = keys[-1] + b"\0" if keys else end
        return Page(found[:limit], found[limit] if len(found) > limit else "")

    def status(self) -> Status:
        begin = time.perf_counter()
        at = self._bytes("")
        self._gateway.call(messages.RANGE, messages.names(at, messages.after_all(at), 1), _until())
        return Status(time.perf_counter() - begin)

    def close(self) -> None:
        self._gateway.close()

    def _read(self, name: str, until: float) -> Stored:
        found = messages.stored_in(self._gateway.call(messages.RANGE, messages.read(self._key(name)), until))
        if found is None:
            raise KeyNotFound(name)
        return found

    def _change(self, transaction: object, until: float) -> tuple[bool, Stored | None, bool]:
        """Whether it took effect; what there is if it did not; whether it may have, before it was sent once more.

        Sending it again does no harm: its comparison fails once it took effect."""
        maybe_done = False
        while True:
            try:
                document = self._gateway.call(messages.TXN, transaction, until, repeatable=False)
            except MaybeDone:
                maybe_done = True
                if not self._gateway.pause(until):
                    raise
            else:
                return *messages.outcome(document), maybe_done

    def _key(self, name: str) -> bytes:
        if not names.is_valid(name):
            raise KeyNotFound(name)
        return self._bytes(name)

    def _bytes(self, name: str) -> bytes:
        return (self._prefix + name).encode()


def _until() -> float:
    return time.monotonic() + LIMIT_SECONDS
