"""The few calls of Google Secret Manager that the key store makes, as Google's reference of REST v1 has them.

`Metadata` is the server of a virtual machine that gives it tokens. Whoever shows a token of neither kind, or lacks a
permission, is refused in Google's words; so is every field and parameter that is not implemented.
"""

from __future__ import annotations

import base64
import re
import secrets as random
import time
from datetime import UTC, datetime
from typing import Any

import google_crc32c
import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.keystore.fakes.service import Refused, Reply, Request, Service, fields

HOST = "secretmanager.googleapis.com"
PROJECT = "my-project"
EMAIL = "kes@my-project.iam.gserviceaccount.com"
KEY_ID = "bf2d4f1e0b7d4d1f9d7e6f8a9b0c1d2e3f405162"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
PERMISSIONS = frozenset(
    {
        "secretmanager.secrets.create",
        "secretmanager.secrets.get",
        "secretmanager.secrets.list",
        "secretmanager.secrets.delete",
        "secretmanager.versions.add",
        "secretmanager.versions.access",
    }
)
_ALT = {"$alt": "json;enum-encoding=int"}  # what Google's client asks for
_ID = re.compile(r"[A-Za-z0-9_-]{1,255}", re.ASCII)
_NAMES = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"}
_MAX_BYTES = 65_536


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def pem(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


class GCP(Service):
    """`keys`: of the service account, by id. `tokens`: of virtual machines, with their end. `refused_logins`: how many
    requests are answered with 401, whatever they show. `create_time` is of the next secret."""

    hosts = (HOST,)

    def __init__(self) -> None:
        super().__init__()
        self.keys: dict[str, rsa.RSAPrivateKey] = {}
        self.scope = SCOPE
        self.tokens: dict[str, float] = {}
        self.permissions = PERMISSIONS
        self.refused_logins = 0
        self.secrets: dict[str, dict[str, Any]] = {}
        self.damaged = False

    def put(self, name: str, *values: bytes) -> None:
        """A secret as somebody else has made it, with a version for each value."""
        self.secrets[name] = {
            "name": f"projects/123456789/secrets/{name}",
            "createTime": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            "etag": _etag(),
            "replication": {"automatic": {}},
            "versions": [{"data": value, "state": "ENABLED"} for value in values],
        }

    def values(self, name: str) -> list[bytes]:
        return [version["data"] for version in self.secrets[name]["versions"]]

    def answer(self, request: Request) -> Reply:
        self._login(request.headers.get("Authorization", ""))
        if not request.path.startswith(f"/v1/projects/{PROJECT}/secrets"):
            raise refused(404, f"Project not found: {request.path}")
        query = {name: value for name, value in request.query.items() if _ALT.get(name) != value}
        path, _, verb = request.path.removeprefix(f"/v1/projects/{PROJECT}/secrets").partition(":")
        match request.method, path.split("/")[1:], verb:
            case "POST", [], "":
                return self._create(query, request.body)
            case "GET", [], "":
                return self._list(query)
            case "GET", [name], "":
                return self._get(name, query)
            case "DELETE", [name], "":
                return self._delete(name, query)
            case "POST", [name], "addVersion":
                return self._add(name, query, request.body)
            case "GET", [name, "versions", number], "access":
                return self._access(name, number, query)
        raise refused(404, "not implemented here")

    def _login(self, header: str) -> None:
        kind, _, token = header.partition(" ")
        if self.refused_logins > 0:
            self.refused_logins -= 1
            raise refused(401, "Request had invalid authentication credentials.")
        if kind == "Bearer" and self.tokens.get(token, 0.0) > time.time():
            return
        try:
            key = self.keys[jwt.get_unverified_header(token)["kid"]].public_key()
            required = ["exp", "iat", "iss", "sub", "scope"]
            claims = jwt.decode(token, key, algorithms=["RS256"], options={"require": required, "verify_aud": False})
        except (jwt.InvalidTokenError, KeyError):
            raise refused(401, "Request had invalid authentication credentials.") from None
        if kind != "Bearer" or (claims["iss"], claims["sub"]) != (EMAIL, EMAIL) or claims["exp"] - claims["iat"] > 3600:
            raise refused(401, "Request had invalid authentication credentials.")
        if self.scope not in claims["scope"].split():
            raise refused(403, "Request had insufficient authentication scopes.")

    def _may(self, permission: str, resource: str) -> None:
        if permission not in self.permissions:
            name = f"projects/{PROJECT}/secrets{resource}"
            raise refused(403, f"Permission '{permission}' denied for resource '{name}' (or it may not exist).")

    def _found(self, name: str) -> dict[str, Any]:
        if name not in self.secrets:
            raise refused(404, f"Secret [projects/123456789/secrets/{name}] not found.")
        return self.secrets[name]

    def _create(self, query: dict[str, str], body: Any) -> Reply:
        name = _parameters(query, {"secretId"})["secretId"]
        if _ID.fullmatch(name) is None:
            raise refused(400, "secret_id is invalid")
        if fields(body, {"replication": dict}, {})["replication"] != {"automatic": {}}:
            raise refused(400, "not implemented here")
        self._may("secretmanager.secrets.create", "")
        if name in self.secrets:
            raise refused(409, f"Secret [projects/123456789/secrets/{name}] already exists.", "ALREADY_EXISTS")
        self.put(name)
        return Reply(200, _shown(self.secrets[name]))

    def _get(self, name: str, query: dict[str, str]) -> Reply:
        _parameters(query, set())
        self._may("secretmanager.secrets.get", f"/{name}")
        return Reply(200, _shown(self._found(name)))

    def _list(self, query: dict[str, str]) -> Reply:
        wanted = _parameters(query, set(), {"pageSize", "pageToken"})
        self._may("secretmanager.secrets.list", "")
        size = min(int(wanted.get("pageSize", 25_000)), 25_000)
        start = int(wanted.get("pageToken", 0))
        found = list(self.secrets.values())[::-1]  # newest first
        page: dict[str, Any] = {"secrets": [_shown(secret) for secret in found[start : start + size]]}
        if start + size < len(found):
            page["nextPageToken"] = str(start + size)
        return Reply(200, page | {"totalSize": len(found)})

    def _delete(self, name: str, query: dict[str, str]) -> Reply:
        wanted = _parameters(query, set(), {"etag"})
        self._may("secretmanager.secrets.delete", f"/{name}")
        if wanted.get("etag", self._found(name)["etag"]) != self._found(name)["etag"]:
            raise refused(400, "The etag provided does not match the current etag.", "FAILED_PRECONDITION")
        del self.secrets[name]
        return Reply(200, {})

    def _add(self, name: str, query: dict[str, str], body: Any) -> Reply:
        _parameters(query, set())
        payload = fields(fields(body, {"payload": dict}, {})["payload"], {"data": str}, {"dataCrc32c": str})
        data = base64.b64decode(payload["data"], validate=True)
        if "dataCrc32c" in payload and int(payload["dataCrc32c"]) != google_crc32c.value(data):
            raise refused(400, "The payload's checksum does not match.")
        if not 0 < len(data) <= _MAX_BYTES:
            raise refused(400, "The payload is too large.")
        self._may("secretmanager.versions.add", f"/{name}")
        versions = self._found(name)["versions"]
        versions.append({"data": data, "state": "ENABLED"})
        path = f"projects/123456789/secrets/{name}/versions/{len(versions)}"
        return Reply(200, {"name": path, "state": 1, "etag": _etag(), "clientSpecifiedPayloadChecksum": True})

    def _access(self, name: str, number: str, query: dict[str, str]) -> Reply:
        _parameters(query, set())
        path = f"projects/123456789/secrets/{name}/versions/{number}"
        if not number.isdigit() or number.startswith("0"):
            raise refused(400, "not implemented here")
        self._may("secretmanager.versions.access", f"/{name}/versions/{number}")
        versions = self._found(name)["versions"]
        if int(number) > len(versions):
            raise refused(404, f"Secret Version [{path}] not found.")
        version = versions[int(number) - 1]
        if version["state"] != "ENABLED":
            raise refused(400, f"Secret Version [{path}] is in {version['state']} state.", "FAILED_PRECONDITION")
        checksum = google_crc32c.value(version["data"]) ^ self.damaged
        data = base64.b64encode(version["data"]).decode()
        return Reply(200, {"name": path, "payload": {"data": data, "dataCrc32c": str(checksum)}})


class Metadata(Service):
    """Of a virtual machine with a service account. `seconds`: how long a token is good for."""

    hosts = ("metadata.google.internal",)

    def __init__(self, gcp: GCP) -> None:
        super().__init__()
        self._gcp = gcp
        self.seconds = 3600.0

    def answer(self, request: Request) -> Reply:
        if request.headers.get("Metadata-Flavor") != "Google":
            raise Refused(403, {"error": "Missing Metadata-Flavor:Google header."})
        account = "/computeMetadata/v1/instance/service-accounts/default/"
        flavor = {"Metadata-Flavor": "Google"}
        match request.path:
            case "/":
                return Reply(200, None, flavor)
            case "/computeMetadata/v1/project/project-id":
                return Reply(200, PROJECT, flavor)
            case "/computeMetadata/v1/universe/universe-domain" | "/computeMetadata/v1/universe/universe_domain":
                raise Refused(404, None)
            case path if path == account:
                return Reply(200, {"email": EMAIL, "scopes": [SCOPE], "aliases": ["default"]}, flavor)
            case path if path == f"{account}token":
                token = f"ya29.{random.token_urlsafe(32)}"
                self._gcp.tokens[token] = time.time() + self.seconds
                document = {"access_token": token, "expires_in": int(self.seconds), "token_type": "Bearer"}
                return Reply(200, document, flavor)
        raise Refused(404, {"error": f"not implemented here: {request.path}"})


def refused(status: int, message: str, name: str = "") -> Refused:
    """In Google's form of an error."""
    return Refused(status, {"error": {"code": status, "message": message, "status": name or _NAMES[status]}})


def _parameters(query: dict[str, str], required: set[str], optional: set[str] = frozenset()) -> dict[str, str]:  # type: ignore[assignment]
    if not required <= query.keys() <= required | optional:
        raise refused(400, f"parameters {sorted(query)}: not all that are needed, or one that is not implemented here")
    return query


def _etag() -> str:
    return f'"{random.token_hex(7)}"'


def _shown(secret: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in secret.items() if name != "versions"}
