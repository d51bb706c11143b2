"""The few calls of Fortanix DSM that the key store makes, as the OpenAPI document of DSM has them.

DSM documents no error bodies: the statuses are those that its clients handle (400, 401, 403, 404, 409).
"""

from __future__ import annotations

import base64
import uuid
from typing import Any

from tests.keystore.fakes.service import Refused, Reply, Request, Service, fields

GROUP, FOREIGN_GROUP = "0b4a7c3e-6f0d-4b1e-9a55-1f0c2d3e4f50", "7d0c4bb2-9a3b-4e61-8f0a-2b9f3c1d5e6a"
KEY = "MDczMjNlNmUtYzliZC00YzRlLWEzYjU6c2VjcmV0"
PERMISSIONS = frozenset({"create", "export", "delete", "list"})
#: Of SobjectRequest, as far as it is implemented here.
_IMPORT = {"key_ops": list, "enabled": bool, "description": str, "group_id": str}
_LIST = {"group_id", "obj_type", "sort", "start", "limit", "offset", "with_metadata"}
_OPERATIONS = {"EXPORT", "APPMANAGEABLE", "HIGHVOLUME"}


class Fortanix(Service):
    """`permissions`: what the application may do in its group; it is no member of the other one."""

    def __init__(self) -> None:
        super().__init__()
        self.objects: dict[str, dict[str, Any]] = {}  # by kid
        self.permissions = PERMISSIONS
        self.key = KEY

    def put(self, name: str, value: bytes, **other: Any) -> str:
        """An object as somebody else has made it; its kid."""
        kid = str(uuid.uuid4())
        self.objects[kid] = {
            "kid": kid,
            "name": name,
            "obj_type": "SECRET",
            "value": base64.b64encode(value).decode(),
            "key_ops": ["EXPORT", "APPMANAGEABLE"],
            "enabled": True,
            "state": "Active",
            "group_id": GROUP,
            "acct_id": "4fa8a1b0-0000-4000-8000-000000000001",
            **other,
        }
        return kid

    def named(self, name: str) -> dict[str, Any]:
        return next(found for found in self.objects.values() if found["name"] == name)

    def answer(self, request: Request) -> Reply:
        if request.headers.get("Authorization") != f"Basic {self.key}":
            raise Refused(401, "Invalid credentials")
        match request.method, request.path.split("/")[1:]:
            case "PUT", ["crypto", "v1", "keys"]:
                return self._import(request)
            case "POST", ["crypto", "v1", "keys", "export"]:
                return self._export(request)
            case "GET", ["crypto", "v1", "keys"]:
                return self._list(request)
            case "DELETE", ["crypto", "v1", "keys", kid]:
                return self._delete(kid)
        raise Refused(404, "Invalid API path")

    def _may(self, permission: str) -> None:
        if permission not in self.permissions:
            raise Refused(403, f"App does not have the permission to {permission}")

    def _import(self, request: Request) -> Reply:
        body = fields(request.body, {"name": str, "obj_type": str, "value": str}, _IMPORT)
        if body["obj_type"] != "SECRET" or not set(body.get("key_ops", [])) <= _OPERATIONS:
            raise Refused(400, "not implemented here")
        value = base64.b64decode(body["value"], validate=True)
        group = body.get("group_id", GROUP)
        if group != GROUP:
            raise Refused(403, "App is not a member of the group")
        self._may("create")
        if any(found["name"] == body["name"] for found in self.objects.values()):
            raise Refused(409, "sobject already exists")
        kid = self.put(body["name"], value, **{name: body[name] for name in _IMPORT if name in body})
        return Reply(201, _without_value(self.objects[kid]))

    def _export(self, request: Request) -> Reply:
        name = fields(request.body, {"name": str}, {})["name"]
        found = [found for found in self.objects.values() if found["name"] == name and found["group_id"] == GROUP]
        if not found:
            raise Refused(404, "sobject does not exist")
        self._may("export")
        if "EXPORT" not in found[0]["key_ops"]:
            raise Refused(403, "operation EXPORT is not allowed")
        return Reply(200, found[0])

    def _delete(self, kid: str) -> Reply:
        if kid not in self.objects:
            raise Refused(404, "sobject does not exist")
        self._may("delete")
        if "APPMANAGEABLE" not in self.objects[kid]["key_ops"]:
            raise Refused(403, "operation APPMANAGEABLE is not allowed")
        del self.objects[kid]
        return Reply(204)

    def _list(self, request: Request) -> Reply:
        query = request.query
        if not query.keys() <= _LIST or "offset" in query or "with_metadata" in query:
            raise Refused(400, "not implemented here")
        if query.get("sort") != "name:asc" or query.get("group_id", GROUP) != GROUP:
            raise Refused(400, "not implemented here")
        limit = int(query.get("limit", 1000))
        if not 0 < limit <= 1000:
            raise Refused(400, "limit is out of range")
        self._may("list")
        found = [
            _without_value(found)
            for found in sorted(self.objects.values(), key=lambda found: str(found["name"]))
            if found["group_id"] == GROUP
            and found["obj_type"] == query.get("obj_type", found["obj_type"])
            and found["name"] >= query.get("start", "")
        ]
        return Reply(200, found[:limit])


def _without_value(found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name != "value"}
