"""The key store in Fortanix DSM (SDKMS): a security object of type SECRET per entry.

Owns how an entry lies there (`LAYOUT`) and the five calls of its REST API. Must not know how keys change: that is
`generations`. Sources: Fortanix' OpenAPI document of DSM (`/crypto/v1/keys`) and its article on secret objects.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from openkes.keystore import KeyExists, KeyNotFound, Unreachable
from openkes.keystore.generations import SECONDS, GenerationStore, Object
from openkes.keystore.http import ClientTLS, Endpoints
from openkes.keystore.rest import Rest, credential

#: An object as it is made. `value` is the base64 of the entry, as the API wants all bytes. EXPORT: it can be read.
#: APPMANAGEABLE: the application, and not only a person, can delete it.
LAYOUT = {"obj_type": "SECRET", "key_ops": ["EXPORT", "APPMANAGEABLE"], "enabled": True}
DESCRIPTION = "MinIO master key; made by openkes"
_KEYS = "/crypto/v1/keys"
_PAGE = 1_000  # as many as the API gives at most
_READABLE = ("Active", None)  # None: the field is not there for an object without a lifecycle


class FortanixStore(GenerationStore):
    """Implements `KeyStore`."""

    def __init__(
        self,
        endpoint: str,
        key: Callable[[], str],
        group: str = "",
        tls: ClientTLS | None = None,
        seconds: float = SECONDS,
    ) -> None:
        """`key`: the application's API key. `group` "": its default group. Unreachable when the CA file is no good."""
        rest = Rest(f"Fortanix DSM {endpoint}", Endpoints((endpoint,), tls or ClientTLS()), _APIKey(key))
        super().__init__(FortanixObjects(rest, group), seconds)


class _APIKey:
    """Implements `Authority`. The key is read for every call, so that a replaced file works without a restart."""

    def __init__(self, key: Callable[[], str]) -> None:
        self._key = key

    def headers(self) -> Mapping[str, str]:
        key = credential(self._key).removeprefix("Basic ").strip()
        if not key or not key.isascii() or not key.isprintable():
            raise Unreachable("the API key of Fortanix DSM has characters that no API key has: copy it once more")
        return {"Authorization": f"Basic {key}"}

    def refused(self, headers: Mapping[str, str]) -> bool:
        return False


class FortanixObjects:
    """Implements `Objects`. Names are unique in the whole DSM account."""

    def __init__(self, rest: Rest, group: str) -> None:
        self._rest = rest
        self._group = {"group_id": group} if group else {}

    def create_once(self, name: str, value: bytes, until: float) -> None:
        text = base64.b64encode(value).decode()
        body = {"name": name, "description": DESCRIPTION, "value": text, **LAYOUT, **self._group}
        need = "the group must give the application the permission to create security objects (CREATE_SOBJECTS)"
        answer = self._rest.call("PUT", _KEYS, body, need=need, until=until, answers=(400, 409), secret=text)
        if 200 <= answer.status < 300:
            return
        # A name that is taken is answered with 409; whatever it is answered with, the object is there then.
        try:
            self.read(name, until)
        except KeyNotFound:
            raise Unreachable(
                f"{self._rest.name}: it does not take the object {name} ({self._rest.said(answer, text)}), and shows "
                "none of this name; if the name is taken, it is in another group: names count in the whole account"
            ) from None
        raise KeyExists(name)

    def read(self, name: str, until: float) -> Object:
        answer = self._rest.call(
            "POST",
            f"{_KEYS}/export",
            {"name": name},
            need=f"the application must be a member of the group of {name}, with the permission to export",
            until=until,
            answers=(404,),
            repeatable=True,
        )
        if answer.status == 404:
            raise KeyNotFound(name)
        return self._object(name, answer.document)

    def _object(self, name: str, found: Any) -> Object:
        """Unreachable for an object that is no entry, or one that somebody has put out of use."""
        if not isinstance(found, dict) or found.get("name") != name or not isinstance(found.get("kid"), str):
            raise Unreachable(f"{self._rest.name}: the answer to the export of {name} is no security object")
        self._check_use(name, found)
        try:
            value = base64.b64decode(found["value"], validate=True)
        except (KeyError, TypeError, ValueError):
            value = b""
        if not value:
            raise Unreachable(f"{self._rest.name}: the object {name} holds no entry")
        return Object(name, found["kid"], value)

    def _check_use(self, name: str, found: dict[str, Any]) -> None:
        group = self._group.get("group_id")
        what, do = "", ""
        if found.get("obj_type") != LAYOUT["obj_type"]:
            what, do = f"of type {found.get('obj_type')}", "it is no entry; use a group of its own for the keys"
        elif group and found.get("group_id", group) != group:
            what, do = "in another group", "look at keystore.fortanix.sdkms.group_id"
        elif found.get("state") not in _READABLE:
            what, do = str(found["state"]), "make it active again in DSM"
        elif found.get("enabled") is False:
            what, do = "disabled", "enable it again in DSM"
        if what:
            raise Unreachable(f"{self._rest.name}: the object {name} is {what}: {do}")

    def remove(self, which: Object, until: float) -> None:
        answer = self._rest.call(
            "DELETE",
            f"{_KEYS}/{which.id}",
            need=f"the group must give the application the permission to delete, and {which.name} the key operation "
            "APPMANAGEABLE (objects that upstream made may lack it: delete them in DSM)",
            until=until,
            answers=(404,),
        )
        if answer.status == 404:
            raise KeyNotFound(which.name)

    def names(self, prefix: str, until: float) -> Iterator[str]:
        seen: set[str] = set()
        last = ""
        while True:
            page = [item["name"] for item in self._page(last, _PAGE, until)]
            new = [name for name in page if name not in seen]
            yield from (name for name in new if name.startswith(prefix))
            seen.update(new)
            if len(page) < _PAGE:
                return
            if not new:
                raise Unreachable(f"{self._rest.name}: its list does not go on after {last}")
            last = page[-1]

    def _page(self, start: str, limit: int, until: float) -> list[dict[str, Any]]:
        """Security objects by name, from `start` on: pages that others' changes do not shift."""
        query = {"obj_type": LAYOUT["obj_type"], "sort": "name:asc", "limit": limit, **self._group}
        if start:
            query["start"] = start
        need = "the application must be a member of the group, with the permission to list security objects"
        answer = self._rest.call("GET", f"{_KEYS}?{urlencode(query)}", need=need, until=until, repeatable=True)
        found = answer.document.get("items") if isinstance(answer.document, dict) else answer.document
        if not isinstance(found, list) or not all(
            isinstance(i, dict) and isinstance(i.get("name"), str) for i in found
        ):
            raise Unreachable(f"{self._rest.name}: the answer to a list is no list of security objects")
        return found

    def check(self, until: float) -> None:
        self._page("", 1, until)

    def close(self) -> None:
        self._rest.close()
