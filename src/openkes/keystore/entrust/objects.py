"""Secrets of a KeyControl vault, one per entry, in one box: how an entry lies there (`LAYOUT`), and the calls for it.

Sources: Entrust's own client `pasmcli` and its pages on boxes, secrets and policies; what they leave open is in
`ASSUMED`.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from openkes.keystore import KeyExists, KeyNotFound, Unreachable
from openkes.keystore.generations import Object
from openkes.keystore.rest import Rest

#: A secret as it is made. `secret_data` is the base64 of the entry. Whatever the box says: it never expires, and
#: several key servers may have it checked out at once.
LAYOUT: dict[str, Any] = {"desc": "MinIO master key; made by openkes", "expires_at": None, "exclusive_checkout": False}
#: Names in answers, of which Entrust publishes no list.
ASSUMED = {"id": "secret_id", "name": "name", "list": "secret_list", "next": "next_token"}
_PAGE = 500


class EntrustObjects:
    """Implements `Objects`. Names are unique in a box."""

    def __init__(self, rest: Rest, box: str) -> None:
        self._rest = rest
        self._box = box
        self._user = f"a policy must give the user the role Vault User for all secrets of the box {box}"
        self._admin = f"a policy must give the user the role Vault Box Admin for the box {box}"

    def create_once(self, name: str, value: bytes, until: float) -> None:
        text = base64.b64encode(value).decode()
        answer = self._rest.call(
            "POST",
            "/vault/1.0/CreateSecret/",
            {"box_id": self._box, "name": name, "secret_data": text, **LAYOUT},
            need=self._admin,
            until=until,
            answers=(400, 404, 409, 422),
            secret=text,
        )
        if 200 <= answer.status < 300:
            return
        # A name that is taken is refused; whatever it is answered with, the secret is there then.
        try:
            self.read(name, until)
        except KeyNotFound:
            said = self._rest.said(answer, text)
            if answer.status == 404:
                raise self._refused(f"to create {name}", self._admin) from None
            raise Unreachable(f"{self._rest.name}: it does not take the secret {name} ({said})") from None
        raise KeyExists(name)

    def read(self, name: str, until: float) -> Object:
        found = self._ask("CheckoutSecret", {"secret_id": name}, until)
        if found is None:
            if name not in self.names(name, until):
                raise KeyNotFound(name)
            # It may have been created in between.
            found = self._ask("CheckoutSecret", {"secret_id": name}, until)
        if found is None:
            raise self._refused(f"to check out {name}", self._user)
        try:
            value = base64.b64decode(found["secret_data"], validate=True)
        except (KeyError, TypeError, ValueError):
            value = b""
        if not value:
            raise Unreachable(f"{self._rest.name}: the secret {name} holds no entry")
        return Object(name, self._id(name, found, until), value)

    def _id(self, name: str, found: dict[str, Any], until: float) -> str:
        """Of a secret that was checked out; asked for if the answer does not tell."""
        known = found.get(ASSUMED["id"])
        if not isinstance(known, str):
            known = (self._ask("GetSecretMetadata", {"secret_id": name}, until) or {}).get(ASSUMED["id"])
        if not isinstance(known, str) or not known:
            raise Unreachable(f"{self._rest.name}: it does not tell the id of the secret {name}")
        return known

    def _ask(self, what: str, body: dict[str, Any], until: float) -> dict[str, Any] | None:
        """The answer to what only reads; None for 404."""
        answer = self._rest.call(
            "POST",
            f"/vault/1.0/{what}/",
            {"box_id": self._box, **body},
            need=self._user,
            until=until,
            answers=(404,),
            repeatable=True,
        )
        if answer.status == 404:
            return None
        if not isinstance(answer.document, dict):
            raise Unreachable(f"{self._rest.name}: the answer to {what} is none that KeyControl gives")
        return answer.document

    def remove(self, which: Object, until: float) -> None:
        answer = self._rest.call(
            "POST",
            "/vault/1.0/DeleteSecret/",
            {"box_id": self._box, "secret_id": which.id},
            need=self._admin,
            until=until,
            answers=(404,),
        )
        if answer.status == 404:
            if any(item.get(ASSUMED["id"]) == which.id for item in self._items(which.name, until)):
                raise self._refused(f"to delete {which.name}", self._admin)
            raise KeyNotFound(which.name)

    def names(self, prefix: str, until: float) -> Iterator[str]:
        return (str(item[ASSUMED["name"]]) for item in self._items(prefix, until))

    def _items(self, prefix: str, until: float) -> Iterator[dict[str, Any]]:
        token, tokens = "", {""}
        while True:
            items, token = self._page(prefix, token, _PAGE, until)
            yield from (item for item in items if str(item.get(ASSUMED["name"], "")).startswith(prefix))
            if not token:
                return
            if token in tokens:
                raise Unreachable(f"{self._rest.name}: its list goes round in circles")
            tokens.add(token)

    def _page(self, prefix: str, token: str, limit: int, until: float) -> tuple[list[dict[str, Any]], str]:
        """Secrets, and the token of the next page or ""."""
        body: dict[str, Any] = {"max_items": limit}
        body |= {"prefix": prefix} if prefix else {}
        body |= {"next_token": token} if token else {}
        document = self._ask("ListSecretIds", body, until)
        if document is None:
            # No secret with this prefix, no secret at all, no such box, or no permission: all may be answered with 404.
            if prefix and self._ask("ListSecretIds", {"max_items": 1}, until) is not None:
                return [], ""
            raise self._refused(
                "to list the secrets of the box (or there is no such box, or none in it: then put any text into it)",
                self._user,
            )
        items = document.get(ASSUMED["list"])
        if not isinstance(items, list) or not all(isinstance(item, dict) and ASSUMED["name"] in item for item in items):
            raise Unreachable(f"{self._rest.name}: the answer to a list is no list of secrets")
        return items, str(document.get(ASSUMED["next"]) or "")

    def _refused(self, what: str, need: str) -> Unreachable:
        """KeyControl answers what is forbidden as if it were not there."""
        return Unreachable(f"{self._rest.name}: permission refused {what}: {need}")

    def check(self, until: float) -> None:
        self._page("", "", 1, until)

    def close(self) -> None:
        self._rest.close()
