"""The key store in Azure Key Vault: a secret per key, named as the key, its first version the entry as it was created.

Owns which requests are which call, and what follows when nobody knows whether one took effect. Must not know Azure's
libraries (`client` does) nor which version is the current one (`versions` does).
The service can only add versions, so that every write is an offer, and is decided a moment later. Nothing is ever
purged: what lost is disabled, and what is deleted stays recoverable as long as the vault keeps it.
"""

from __future__ import annotations

import contextlib
import re
import time
from typing import Any

from openkes import names
from openkes.keystore import KeyExists, KeyNotFound, Page, Status, Unreachable
from openkes.keystore.attempts import Attempts, Passing
from openkes.keystore.azure import offers
from openkes.keystore.azure.client import Client
from openkes.keystore.azure.failures import Absent, Deleted, Disabled
from openkes.keystore.azure.offers import Offers
from openkes.keystore.azure.versions import Version, chain, chosen
from openkes.keystore.paging import page_of

LIST_SECONDS = 11.0  # a page has 25 names, so that a long list takes many requests
_NOBODY = "openkes-probe-status"  # a name that is never stored
_NAME = re.compile(r"[0-9A-Za-z-]+", re.ASCII)


class AzureStore:
    """Implements `KeyStore`. `login`: a credential of Azure's libraries, as `azure.login` makes them."""

    def __init__(self, endpoint: str, login: Any) -> None:
        """Reads once: Unreachable when nobody answers, or the login or its permission is no good."""
        self._client = Client(endpoint, login)
        self._vault = re.sub(r"^https?://|[.:/].*$", "", endpoint)
        self._offers = Offers(self._client, self._vault)
        try:
            self.status()
        except Unreachable:
            self.close()
            raise

    def create(self, name: str, value: bytes) -> None:
        if not _NAME.fullmatch(name):
            raise Unreachable(f"Key Vault cannot hold a key named {name}: it takes 0-9 A-Z a-z and - only")
        attempts = self._attempts()
        found, _ = attempts.repeat(lambda: self._client.versions(name))
        first = chosen(found, "")
        if first is not None and first.name != name:
            raise Unreachable(
                f"{self._client} has a key {first.name}, and does not tell upper from lower case: choose another name"
                f" than {name}"
            )
        if first is not None or not self._offers.make(name, value, "", attempts):
            raise KeyExists(name)

    def get(self, name: str) -> bytes:
        attempts = self._attempts()
        return self._value(name, self._current(name, attempts), attempts)

    def replace(self, name: str, old: bytes, new: bytes) -> None:
        attempts = self._attempts()
        current = self._current(name, attempts)
        if self._value(name, current, attempts) != old or not self._offers.make(name, new, current.id, attempts):
            raise KeyExists(name)

    def delete(self, name: str) -> None:
        attempts = self._attempts()
        self._current(name, attempts)
        maybe_done = False
        while True:
            try:
                self._client.delete(name)
            except (Absent, Deleted):
                if maybe_done:
                    return
                raise KeyNotFound(name) from None
            except Passing as error:
                maybe_done |= error.maybe_done
                if not attempts.pause():
                    raise
            else:
                return

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
                            " keep what is no key of this server in another vault"
                        )
            except Absent:
                raise Unreachable(f"{self._client}: what answers there is no vault") from None
            except Passing:
                if not attempts.pause():
                    raise
            else:
                return page_of(filter(names.is_valid, found), prefix, limit, start)

    def status(self) -> Status:
        begin = time.perf_counter()
        with contextlib.suppress(Absent, Deleted):
            self._attempts().repeat(lambda: self._client.get(_NOBODY))
        return Status(time.perf_counter() - begin)

    def close(self) -> None:
        self._client.close()

    def _attempts(self) -> Attempts:
        return Attempts(self._client.closed)

    def _current(self, name: str, attempts: Attempts) -> Version:
        """Waits for what is not decided yet. KeyNotFound, Unreachable."""
        if not _NAME.fullmatch(name):
            raise KeyNotFound(name)
        while True:
            found, now = attempts.repeat(lambda: self._client.versions(name))
            followed = list(chain(found))
            if not followed or followed[0].name != name:
                raise KeyNotFound(name)
            if all(version.is_decided(now) for version in followed):
                return followed[-1]
            if not attempts.pause(offers.PAUSE_SECONDS):
                raise Unreachable(f"{self._client}: {name} is being written; try again")

    def _value(self, name: str, version: Version, attempts: Attempts) -> bytes:
        """KeyNotFound, Unreachable."""
        try:
            return attempts.repeat(lambda: self._client.get(name, version.id)).encode()
        except (Absent, Deleted):
            raise KeyNotFound(name) from None
        except Disabled:
            raise Unreachable(
                f"{self._client}: version {version.id} of secret {name}, which is the key, is disabled: enable it with"
                f" `az keyvault secret set-attributes --vault-name {self._vault} --name {name} --version {version.id}"
                " --enabled true`"
            ) from None
