"""The KV engine of version 1: a secret per key. It knows no check-and-set, so that every change takes a claim.

Owns what follows when nobody knows whether a write took effect: it may still be carried out, so that the key's claim
stays until it cannot be any more. Must not know what the text of an entry is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from openkes.keystore import KeyExists, KeyNotFound
from openkes.keystore.http import MaybeDone
from openkes.keystore.vault.claims import FOLDER, STALE_SECONDS, Claim, Claims
from openkes.keystore.vault.client import Client
from openkes.keystore.vault.secret import CHECK, Place, listed, text_in


class KV1:
    """Implements `Engine`."""

    def __init__(self, client: Client, place: Place) -> None:
        self._client = client
        self._path = place.path()
        self._claims = Claims(client, f"{self._path}{FOLDER}/")

    def get(self, name: str, until: float) -> str:
        path = self._path + name
        answer = self._client.call("GET", path, need=self._need("read"), until=until, key=name, answers=(404,))
        if answer.status == 404:
            raise KeyNotFound(name)
        return text_in(answer.document.get("data"), name, self._path)

    def create(self, name: str, text: str, until: float) -> None:
        self._must_be_absent(name, until)  # mostly this settles it, without a claim
        with self._claims.held(name, until) as claim:
            self._must_be_absent(name, until)
            self._change(claim, name, text, until, "create")

    def _must_be_absent(self, name: str, until: float) -> None:
        if self._found(name, until) is not None:
            raise KeyExists(name)

    def replace(self, name: str, is_old: Callable[[str], bool], text: str, until: float) -> None:
        if not is_old(self.get(name, until)):
            raise KeyExists(name)
        with self._claims.held(name, until) as claim:
            if not is_old(self.get(name, until)):
                raise KeyExists(name)
            self._change(claim, name, text, until, "update")

    def delete(self, name: str, until: float) -> None:
        self.get(name, until)
        with self._claims.held(name, until) as claim:
            self.get(name, until)
            self._change(claim, name, None, until, "delete")

    def names(self, until: float) -> Iterable[str]:
        path = f"{self._path}?list=true"
        return listed(self._client.call("GET", path, need=self._need("list"), until=until, answers=(404,)))

    def check(self, until: float) -> None:
        self._client.call("GET", self._path + CHECK, need=self._need("read"), until=until, answers=(404,))

    def _change(self, claim: Claim, name: str, text: str | None, until: float, capability: str) -> None:
        """Write `text`, or remove the secret for None. MaybeDone."""
        method, body = ("DELETE", None) if text is None else ("POST", {name: text})
        while True:
            try:
                self._client.call(method, self._path + name, body, need=self._need(capability), until=until, key=name)
            except MaybeDone as error:
                claim.stays, stayed = True, claim.stays
                if not self._client.pause(until):
                    minutes = f"{STALE_SECONDS / 60:g} minutes"
                    raise MaybeDone(f"{error}; nobody changes {name} for {minutes}, lest it is done late") from None
                if not stayed and self._found(name, until) == text:
                    # The one request there was is done, and a request is done once.
                    claim.stays = False
                    return
            else:
                return

    def _found(self, name: str, until: float) -> str | None:
        try:
            return self.get(name, until)
        except KeyNotFound:
            return None

    def _need(self, capability: str) -> str:
        return f"{capability} on {self._path}*"
