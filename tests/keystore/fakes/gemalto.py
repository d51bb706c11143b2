"""The few calls of CipherTrust Manager that the key store makes, as Thales' pages and samples have them.

A token of 300 s for a refresh token, secrets by name and id, lists by `skip` and `limit`. Errors have `code` and
`codeDesc`.
"""

from __future__ import annotations

import base64
import itertools
import json
import secrets
import time
import uuid
from typing import Any
from urllib.parse import unquote

from tests.keystore.fakes.service import Refused, Reply, Request, Service, fields

REFRESH = "eyJ-refresh-token-of-a-test"
PERMISSIONS = frozenset({"create", "export", "delete", "list"})


class Gemalto(Service):
    """`seconds`: how long a token is good for."""

    def __init__(self) -> None:
        super().__init__()
        self.secrets: dict[str, dict[str, Any]] = {}  # by id, in the order of their creation
        self.permissions = PERMISSIONS
        self.refresh = REFRESH
        self.domain = ""
        self.seconds = 300.0
        self.tokens: dict[str, float] = {}
        self._numbers = itertools.count()

    def put(self, name: str, value: bytes, **other: Any) -> str:
        """A secret as somebody else has made it; its id."""
        made = str(uuid.uuid4())
        self.secrets[made] = {
            "id": made,
            "uri": f"kylo:kylo:vault:secrets:{name}-v0",
            "account": "kylo:kylo:admin:accounts:kylo",
            "name": name,
            "state": "Active",
            "version": 0,
            "objectType": "Opaque Object",
            "material": base64.b64encode(value).decode(),
            **other,
        }
        return made

    def named(self, name: str) -> dict[str, Any]:
        return next(found for found in self.secrets.values() if found["name"] == name)

    def answer(self, request: Request) -> Reply:
        parts = [unquote(part) for part in request.path.split("/")[1:]]
        if (request.method, parts) == ("POST", ["api", "v1", "auth", "tokens"]):
            return self._token(request)
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.tokens.get(token, 0.0) <= time.monotonic():
            raise _refused(401, 7, "NCERRInvalidToken: Token is invalid or expired")
        match request.method, parts:
            case "POST", ["api", "v1", "vault", "secrets"]:
                return self._create(request)
            case "GET", ["api", "v1", "vault", "secrets"]:
                return self._list(request)
            case "POST", ["api", "v1", "vault", "secrets", name, "export"] if request.query == {"type": "name"}:
                return self._export(name, request)
            case "DELETE", ["api", "v1", "vault", "secrets", made]:
                return self._delete(made)
        raise _refused(404, 5, "NCERRNotFound: Resource not found")

    def _token(self, request: Request) -> Reply:
        body = fields(request.body, {"grant_type": str, "refresh_token": str}, {"domain": str})
        if body["grant_type"] != "refresh_token":
            raise _refused(400, 3, "NCERRBadRequest: not implemented here")
        if body["refresh_token"] != self.refresh or body.get("domain", "") != self.domain:
            raise _refused(401, 7, "NCERRInvalidCredentials: Invalid credentials")
        now = int(time.time())
        token = _jwt({"iat": now, "exp": now + self.seconds, "jti": secrets.token_hex(8), "iss": "kylo"})
        self.tokens[token] = time.monotonic() + self.seconds
        return Reply(200, {"jwt": token, "duration": self.seconds, "token_type": "Bearer", "client_id": "c"})

    def _may(self, permission: str) -> None:
        if permission not in self.permissions:
            raise _refused(403, 6, f"NCERRForbidden: Insufficient permissions to {permission}")

    def _create(self, request: Request) -> Reply:
        body = fields(request.body, {"name": str, "material": str, "dataType": str}, {})
        if body["dataType"] != "blob" or request.query:
            raise _refused(400, 3, "NCERRBadRequest: not implemented here")
        self._may("create")
        value = base64.urlsafe_b64decode(body["material"])
        if any(found["name"] == body["name"] for found in self.secrets.values()):
            raise _refused(409, 9, "NCERRConflict: Resource already exists")
        made = self.put(body["name"], value)
        return Reply(201, _without_material(self.secrets[made]))

    def _export(self, name: str, request: Request) -> Reply:
        if request.body is not None:
            raise _refused(400, 3, "NCERRBadRequest: not implemented here")
        found = [found for found in self.secrets.values() if found["name"] == name]
        if not found:
            raise _refused(404, 5, "NCERRNotFound: Resource not found")
        self._may("export")
        return Reply(200, found[0])

    def _delete(self, made: str) -> Reply:
        if made not in self.secrets:
            raise _refused(404, 5, "NCERRNotFound: Resource not found")
        self._may("delete")
        del self.secrets[made]
        return Reply(204)

    def _list(self, request: Request) -> Reply:
        if request.query.keys() != {"skip", "limit"}:
            raise _refused(400, 3, "NCERRBadRequest: not implemented here")
        self._may("list")
        skip, limit = int(request.query["skip"]), int(request.query["limit"])
        found = [_without_material(found) for found in self.secrets.values()]
        page = found[skip : skip + limit]
        return Reply(200, {"skip": skip, "limit": limit, "total": len(found), "resources": page})


def _refused(status: int, code: int, text: str) -> Refused:
    return Refused(status, {"code": code, "codeDesc": text})


def _without_material(found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name != "material"}


def _jwt(claims: dict[str, Any]) -> str:
    parts = ({"alg": "HS256", "typ": "JWT"}, claims, {"signature": secrets.token_hex(8)})
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
