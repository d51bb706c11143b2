"""The few calls of an Entrust KeyControl vault that the key store makes, as Entrust's client `pasmcli` makes them.

Everything is a POST to /vault/1.0/WHAT/ with the session's token. What is forbidden is answered like what is not there:
404 with an empty body.
"""

from __future__ import annotations

import secrets
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.keystore.fakes.service import Refused, Reply, Request, Service, fields

VAULT = "e5095f4a-8eea-4215-9038-8014442e984c"
BOX, BOX_ID = "minio", "b1c9be12-02e7-4c4f-9b1a-5cf2b7c7e8aa"
USER, PASSWORD = "kes", "correct horse 1A$"
PERMISSIONS = frozenset({"create", "checkout", "delete", "list"})
_TEXT = (str, type(None))


class Entrust(Service):
    """`seconds`: how long a session lasts. `tells_id`: whether a checkout tells the id of the secret.
    `empty_is_absent`: whether a list without any secret is answered with 404."""

    def __init__(self) -> None:
        super().__init__()
        self.secrets: dict[str, dict[str, Any]] = {}  # by id
        self.permissions = PERMISSIONS
        self.password = PASSWORD
        self.seconds = 1800.0
        self.tells_id = True
        self.empty_is_absent = False
        self.tokens: dict[str, float] = {}

    def put(self, name: str, secret_data: str, **other: Any) -> str:
        """A secret as somebody else has made it; its id."""
        made = str(uuid.uuid4())
        self.secrets[made] = {"secret_id": made, "name": name, "secret_data": secret_data, **other}
        return made

    def named(self, name: str) -> dict[str, Any]:
        return next(found for found in self.secrets.values() if found["name"] == name)

    def answer(self, request: Request) -> Reply:
        parts = request.path.split("/")
        if request.method != "POST" or parts[:3] != ["", "vault", "1.0"] or parts[-1] != "":
            raise Refused(404, None)
        if parts[3:-1] == ["Login", VAULT]:
            return self._login(request)
        if self.tokens.get(request.headers.get("X-Vault-Auth", ""), 0.0) <= time.monotonic():
            raise Refused(401, {"error": "Invalid or expired session"})
        calls = {
            "CreateSecret": self._create,
            "CheckoutSecret": self._checkout,
            "GetSecretMetadata": self._metadata,
            "DeleteSecret": self._delete,
            "ListSecretIds": self._list,
        }
        if len(parts) != 5 or parts[3] not in calls:
            raise Refused(404, None)
        return calls[parts[3]](request.body)

    def _login(self, request: Request) -> Reply:
        body = fields(request.body, {"username": str, "password": str}, {})
        if (body["username"], body["password"]) != (USER, self.password):
            raise Refused(401, {"error": f"Invalid credentials {body['password']}"})
        token = secrets.token_hex(16)
        self.tokens[token] = time.monotonic() + self.seconds
        ends = datetime.now(UTC) + timedelta(seconds=self.seconds)
        return Reply(201, {"access_token": token, "expires_at": ends.isoformat(), "user": USER})

    def _box(self, body: dict[str, Any], permission: str) -> None:
        if body["box_id"] not in (BOX, BOX_ID) or permission not in self.permissions:
            raise Refused(404, None)

    def _create(self, content: Any) -> Reply:
        optional = {"desc": str, "expires_at": _TEXT, "exclusive_checkout": bool}
        body = fields(content, {"box_id": str, "name": str, "secret_data": str}, optional)
        self._box(body, "create")
        if any(found["name"] == body["name"] for found in self.secrets.values()):
            raise Refused(409, {"error": f"Secret {body['name']} already exists"})
        made = self.put(**{name: value for name, value in body.items() if name != "box_id"})
        return Reply(201, {"secret_id": made})

    def _found(self, body: dict[str, Any]) -> dict[str, Any]:
        """By id or name."""
        for found in self.secrets.values():
            if body["secret_id"] in (found["secret_id"], found["name"]):
                return found
        raise Refused(404, None)

    def _checkout(self, content: Any) -> Reply:
        body = fields(content, {"box_id": str, "secret_id": str}, {})
        self._box(body, "checkout")
        found = self._found(body)
        told = {"secret_id": found["secret_id"]} if self.tells_id else {}
        return Reply(200, {"secret_data": found["secret_data"], "secret_subtype_info": {}, **told})

    def _metadata(self, content: Any) -> Reply:
        body = fields(content, {"box_id": str, "secret_id": str}, {})
        self._box(body, "checkout")
        found = self._found(body)
        return Reply(200, {"secret_id": found["secret_id"], "name": found["name"], "desc": found.get("desc")})

    def _delete(self, content: Any) -> Reply:
        body = fields(content, {"box_id": str, "secret_id": str}, {})
        self._box(body, "delete")
        del self.secrets[self._found(body)["secret_id"]]
        return Reply(200, {})

    def _list(self, content: Any) -> Reply:
        body = fields(content, {"box_id": str}, {"prefix": str, "max_items": int, "next_token": str})
        self._box(body, "list")
        found = sorted(f["name"] for f in self.secrets.values() if f["name"].startswith(body.get("prefix", "")))
        if not found and self.empty_is_absent:
            raise Refused(404, None)
        start = int(body.get("next_token", 0))
        end = start + body.get("max_items", 100)
        by_name = {f["name"]: f["secret_id"] for f in self.secrets.values()}
        page = [{"name": name, "secret_id": by_name[name]} for name in found[start:end]]
        return Reply(200, {"secret_list": page, **({"next_token": str(end)} if end < len(found) else {})})
