"""Adds a version, and waits until it is decided whether that is the one that counts.

Owns the wait, and what is found out when nobody knows whether a version was added. Must not know which version is the
current one: its caller says what the offer comes after.
"""

from __future__ import annotations

import contextlib
import uuid
from dataclasses import replace

from openkes.keystore import Unreachable
from openkes.keystore.attempts import Attempts, Passing
from openkes.keystore.azure.client import Client
from openkes.keystore.azure.failures import Absent, Deleted
from openkes.keystore.azure.versions import LOST, SETTLE_SECONDS, WON, Version, chosen

MAX_BYTES = 25_000  # of a value; a limit of the service
PAUSE_SECONDS = 0.5  # between looks at versions that are not decided yet


class Offers:
    """Thread-safe. `vault`: its name, for people."""

    def __init__(self, client: Client, vault: str) -> None:
        self._client = client
        self._vault = vault

    def make(self, name: str, value: bytes, after: str, attempts: Attempts) -> bool:
        """Add a version, and wait until it is decided which one comes after the version of this id. False: another
        one. Unreachable."""
        text = self._text(value)
        offer = Version(id="", created=0, name=name, write=uuid.uuid4().hex, after=after)
        while True:
            added = maybe_added = False
            try:
                self._client.add(name, text, offer)
                added = True
            except Deleted:
                raise Unreachable(self._deleted(name)) from None
            except Passing as error:
                failed, maybe_added = error, error.maybe_done
            if added or maybe_added:
                won = self._is_chosen(name, offer, attempts, added=added)
                if won is not None:
                    return won
            if not attempts.pause():
                raise failed

    def _is_chosen(self, name: str, offer: Version, attempts: Attempts, *, added: bool) -> bool | None:
        """None: the offer is not there, which cannot be if it was `added`. Unreachable."""
        decided = 0
        while True:
            found, now = attempts.repeat(lambda: self._client.versions(name))
            mine = [version for version in found if version.write == offer.write]
            best = chosen(found, offer.after)
            if not mine and not added:
                return None
            if mine:
                # From when it was seen, not from when it was created: a write may have been long on its way.
                decided = decided or max(now, *(version.created for version in mine)) + SETTLE_SECONDS
                if now >= decided or (best is not None and best.state == WON):
                    break
            if not attempts.pause(PAUSE_SECONDS):
                raise self._unknown(name)
        for version in mine:
            self._say(name, replace(version, state=WON if version is best else LOST), attempts)
        return best in mine

    def _say(self, name: str, version: Version, attempts: Attempts) -> None:
        """Nothing depends on it but how long others wait. Unreachable when it is not allowed."""
        with contextlib.suppress(Passing, Absent, Deleted):
            attempts.repeat(lambda: self._client.mark(name, version, enabled=version.state == WON))

    def _text(self, value: bytes) -> str:
        if len(value) > MAX_BYTES:
            raise Unreachable(
                f"the entry has {len(value)} bytes and Key Vault takes {MAX_BYTES}: it has too many versions; make a"
                " new key"
            )
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise Unreachable("the entry is no text, and Key Vault takes nothing else") from None

    def _deleted(self, name: str) -> str:
        return (
            f"{self._client}: secret {name} was deleted and is not made anew: bring it back with"
            f" `az keyvault secret recover --vault-name {self._vault} --name {name}`, or have its name freed by whoever"
            " may purge it"
        )

    def _unknown(self, name: str) -> Unreachable:
        return Unreachable(
            f"{self._client}: nobody knows whether the change of {name} took effect; look at the key, then try again"
        )
