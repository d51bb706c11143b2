"""Secrets of CipherTrust Manager, one per entry: how an entry lies there (`LAYOUT`), and the calls of the REST API.

Sources: Thales' pages on secrets and on `ksctl secrets`, and its samples for the REST API.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

from openkes.keystore import KeyExists, KeyNotFound, Unreachable
from openkes.keystore.generations import Object
from openkes.keystore.rest import Rest

#: A secret as it is made. `material` is the base64 of the entry, as blobs are exchanged (with `-` and `_`, which never
#: come up in an entry; both alphabets are read).
LAYOUT = {"dataType": "blob"}
_SECRETS = "/api/v1/vault/secrets"
_PAGE = 1_000
_LISTINGS = 4  # how often a list is begun anew because others changed it meanwhile
_READABLE = ("Active", None)  # None: the field is not there


class GemaltoObjects:
    """Implements `Objects`. Names are unique in the domain."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    def create_once(self, name: str, value: bytes, until: float) -> None:
        text = base64.urlsafe_b64encode(value).decode()
        answer = self._rest.call(
            "POST",
            _SECRETS,
            {"name": name, "material": text, **LAYOUT},
            need="the user's groups or policies must allow to create secrets in this domain (group Key Users)",
            until=until,
            answers=(400, 409, 422),
            secret=text,
        )
        if 200 <= answer.status < 300:
            return
        # A name that is taken is a conflict; whatever it is answered with, the secret is there then.
        try:
            self.read(name, until)
        except KeyNotFound:
            raise Unreachable(
                f"{self._rest.name}: it does not take the secret {name} ({self._rest.said(answer, text)}), and shows "
                "none of this name; if the name is taken, the secret may belong to another user of the domain"
            ) from None
        raise KeyExists(name)

    def read(self, name: str, until: float) -> Object:
        answer = self._rest.call(
            "POST",
            f"{_SECRETS}/{quote(name, safe='')}/export?type=name",
            need=f"the user must own {name} or be in a group that may export it (ExportKey)",
            until=until,
            answers=(404,),
            repeatable=True,
        )
        if answer.status == 404:
            raise KeyNotFound(name)
        found = answer.document
        if not isinstance(found, dict) or found.get("name") != name or not isinstance(found.get("id"), str):
            raise Unreachable(f"{self._rest.name}: the answer to the export of {name} is no secret")
        if found.get("state") not in _READABLE:
            raise Unreachable(f"{self._rest.name}: the secret {name} is {found['state']} there: activate it again")
        return Object(name, found["id"], self._value(name, found.get("material")))

    def _value(self, name: str, material: Any) -> bytes:
        try:
            value = base64.b64decode(material.replace("-", "+").replace("_", "/"), validate=True)
        except (AttributeError, ValueError):
            value = b""
        if not value:
            raise Unreachable(f"{self._rest.name}: the secret {name} holds no entry")
        return value

    def remove(self, which: Object, until: float) -> None:
        answer = self._rest.call(
            "DELETE",
            f"{_SECRETS}/{quote(which.id, safe='')}",
            need=f"the user must own {which.name} or be in a group that may delete it, and it must not be undeletable",
            until=until,
            answers=(404,),
        )
        if answer.status == 404:
            raise KeyNotFound(which.name)

    def names(self, prefix: str, until: float) -> Iterator[str]:
        for _ in range(_LISTINGS):
            found = self._listed(until)
            if found is not None:
                # A secret that has versions is listed once for each.
                yield from (name for name in dict.fromkeys(found) if name.startswith(prefix))
                return
        raise Unreachable(f"{self._rest.name}: its list changes faster than it can be read: try again")

    def _listed(self, until: float) -> list[str] | None:
        """All names; None when secrets came or went meanwhile: pages that are counted shift then, and one could be
        missed. So each page begins with the last secret of the one before."""
        names: list[str] = []
        last, total = "", None
        while True:
            document = self._page(max(len(names) - 1, 0), _PAGE, until)
            items, total_now = document["resources"], document["total"]
            if total is None:
                total = total_now
            if total_now != total or (names and (not items or items[0].get("id") != last)):
                return None
            names += [str(item.get("name", "")) for item in (items[1:] if names else items)]
            if len(names) >= total:
                return names
            if len(items) < 2:
                return None
            last = items[-1].get("id", "")

    def _page(self, skip: int, limit: int, until: float) -> dict[str, Any]:
        answer = self._rest.call(
            "GET",
            f"{_SECRETS}?{urlencode({'skip': skip, 'limit': limit})}",
            need="the user's groups or policies must allow to list secrets in this domain (ReadKey)",
            until=until,
            repeatable=True,
        )
        found = answer.document if isinstance(answer.document, dict) else {}
        items = found.get("resources")
        if items is None and found.get("total") == 0:
            return {"resources": [], "total": 0}
        if not isinstance(items, list) or not all(isinstance(i, dict) for i in items):
            raise Unreachable(f"{self._rest.name}: the answer to a list is no list of secrets")
        if not isinstance(found.get("total"), int):
            raise Unreachable(f"{self._rest.name}: the answer to a list does not say how many secrets there are")
        return found

    def check(self, until: float) -> None:
        self._page(0, 1, until)

    def close(self) -> None:
        self._rest.close()
