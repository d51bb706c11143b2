"""The few calls of Azure Key Vault that the key store makes, and the logins before them, as Microsoft's REST reference
has them: the vault's challenge, a tenant's client-credentials grant, a virtual machine's managed identity.

The vault's time runs `speed` times as fast as ours, so that tests need not wait for its seconds. Names are found
whatever their case, and shown as whoever asks writes them, lists apart. What is not implemented is refused.
"""

from __future__ import annotations

import re
import secrets as random
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

from tests.keystore.fakes.service import Refused, Reply, Request, Service, fields

VAULT, HOST = "https://kes.vault.azure.net", "kes.vault.azure.net"
LOGIN = "login.microsoftonline.com"
TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
CLIENT = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
IDENTITY = "2f7f6a3c-5d0e-4b5c-8d0c-0a4cf8f8f0a1"
SECRET = "Fyz8Q~client-secret-of-a-test"
RESOURCE = "https://vault.azure.net"
ACTIONS = frozenset({"getSecret/action", "setSecret/action", "update/action", "readMetadata/action", "delete"})
_VERSIONS = {"7.4", "7.5", "7.6", "2025-07-01", "2026-04-01"}
_NAME = re.compile(r"[0-9a-zA-Z-]{1,127}", re.ASCII)
_MAX_BYTES = 25_600


class Tokens:
    """Those that were given out, with their end, by our clock."""

    def __init__(self) -> None:
        self.ends: dict[str, float] = {}
        self.seconds = 3600.0

    def new(self) -> dict[str, Any]:
        token = f"eyJ0eXAi.{random.token_urlsafe(48)}"
        self.ends[token] = time.time() + self.seconds
        seconds = int(self.seconds)
        return {"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": token}

    def holds(self, token: str) -> bool:
        return self.ends.get(token, 0.0) > time.time()


class Vault(Service):
    """`actions`: what the role of whoever asks allows. `secrets`: by name in lower case, their versions by id."""

    hosts = (HOST,)

    def __init__(self, tokens: Tokens) -> None:
        super().__init__()
        self.tokens = tokens
        self.actions = ACTIONS
        self.firewall = False
        self.challenge = RESOURCE
        self.secrets: dict[str, dict[str, dict[str, Any]]] = {}
        self.deleted: dict[str, dict[str, dict[str, Any]]] = {}
        self._names: dict[str, str] = {}
        self.speed = 100.0
        self.dated = True
        self.empty_for_absent = False
        self._begin = time.monotonic()

    @property
    def now(self) -> int:
        """Seconds since 1970."""
        return 1_790_000_000 + int((time.monotonic() - self._begin) * self.speed)

    def put(self, name: str, value: str, *, created: int = 0, version: str = "", tags: Any = None) -> str:
        """A version as somebody else has made it; its id."""
        made = version or random.token_hex(16)
        created = created or self.now
        self._names.setdefault(name.lower(), name)
        self.secrets.setdefault(name.lower(), {})[made] = {
            "value": value,
            "attributes": {
                "enabled": True,
                "created": created,
                "updated": created,
                "recoveryLevel": "Recoverable+Purgeable",
                "recoverableDays": 90,
            },
            "tags": dict(tags or {}),
        }
        return made

    def values(self, name: str) -> list[str]:
        """In the order in which they were created."""
        return [version["value"] for version in self.secrets[name].values()]

    def recover(self, name: str) -> None:
        self.secrets[name] = self.deleted.pop(name)

    def handle(self, request: Request) -> Reply | None:
        reply = super().handle(request)
        if reply is None:
            return None
        # http.server shows our own time unless there is another one.
        headers = {"Date": formatdate(self.now, usegmt=True)} if self.dated else {"Date": ""}
        return Reply(reply.status, reply.document, {**reply.headers, **headers})

    def answer(self, request: Request) -> Reply:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind != "Bearer" or not self.tokens.holds(token):
            return self._challenge(kind)
        if self.firewall:
            raise refused(403, "Forbidden", "Client address is not authorized.", "ForbiddenByFirewall")
        if request.query.get("api-version") not in _VERSIONS:
            raise refused(400, "BadParameter", "The specified api-version is not supported")
        query = {name: value for name, value in request.query.items() if name != "api-version"}
        match request.method, request.path.strip("/").split("/"):
            case "PUT", ["secrets", name]:
                return self._set(name, query, request.body)
            case "GET", ["secrets"]:
                return self._list(query)
            case "GET", ["secrets", name, "versions"]:
                return self._versions(name, query)
            case "GET", ["secrets", name]:
                return self._get(name, "", query)
            case "GET", ["secrets", name, version]:
                return self._get(name, version, query)
            case "PATCH", ["secrets", name, version]:
                return self._update(name, version, query, request.body)
            case "DELETE", ["secrets", name]:
                return self._delete(name, query)
        raise refused(404, "NotFound", "not implemented here")

    def _challenge(self, kind: str) -> Reply:
        text = "AKV10000: Request is missing a Bearer or PoP token."
        challenge = f'Bearer authorization="https://{LOGIN}/{TENANT}", resource="{self.challenge}"'
        if kind:
            text = "AKV10046: The token is expired or was not given out by this tenant."
            challenge += ', error="invalid_token", error_description="expired"'
        document = {"error": {"code": "Unauthorized", "message": text}}
        return Reply(401, document, {"WWW-Authenticate": challenge})

    def _may(self, action: str, name: str = "") -> None:
        if _NAME.fullmatch(name or "x") is None:
            raise refused(400, "BadParameter", f"The request URI contains an invalid name: {name}")
        if action not in self.actions:
            text = (
                "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or"
                " role definitions were changed recently, please observe propagation time.\r\nCaller:"
                f" appid={CLIENT};oid=0;iss=https://sts.windows.net/{TENANT}/\r\nAction:"
                f" 'Microsoft.KeyVault/vaults/secrets/{action}'\r\nResource: '/subscriptions/0/resourcegroups/kes/"
                f"providers/microsoft.keyvault/vaults/kes/secrets/{name}'\r\nAssignment: (not found)\r\n"
            )
            raise refused(403, "Forbidden", text, "ForbiddenByRbac")

    def _found(self, name: str) -> dict[str, dict[str, Any]]:
        if name.lower() not in self.secrets:
            text = f"A secret with (name/id) {name} was not found in this key vault."
            raise refused(404, "SecretNotFound", text)
        return self.secrets[name.lower()]

    def _set(self, name: str, query: dict[str, str], body: Any) -> Reply:
        _parameters(query, set())
        wanted = fields(body, {"value": str}, {"tags": dict})
        if len(wanted["value"].encode()) > _MAX_BYTES:
            raise refused(400, "BadParameter", "The value is too large.")
        self._may("setSecret/action", name)
        if name.lower() in self.deleted:
            text = f"Secret {name} is currently in a deleted but recoverable state, and its name cannot be reused"
            raise refused(409, "Conflict", text, "ObjectIsDeletedButRecoverable")
        return Reply(200, self._shown(name, self.put(name, wanted["value"], tags=wanted.get("tags")), value=True))

    def _get(self, name: str, version: str, query: dict[str, str]) -> Reply:
        _parameters(query, set())
        self._may("getSecret/action", name)
        versions = self._found(name)
        found = version or list(versions)[-1]
        if found not in versions:
            raise refused(404, "SecretNotFound", f"A secret with (name/id) {name}/{version} was not found")
        if not versions[found]["attributes"]["enabled"]:
            text = "Operation get is not allowed on a disabled secret."
            raise refused(403, "Forbidden", text, "SecretDisabled")
        return Reply(200, self._shown(name, found, value=True))

    def _versions(self, name: str, query: dict[str, str]) -> Reply:
        self._may("readMetadata/action", name)
        found = sorted(self.secrets.get(name.lower(), {}) if self.empty_for_absent else self._found(name))
        return self._page(found, lambda version: self._shown(name, version), f"/secrets/{name}/versions", query)

    def _list(self, query: dict[str, str]) -> Reply:
        self._may("readMetadata/action")

        def shown(name: str) -> dict[str, Any]:
            return self._shown(self._names[name], list(self.secrets[name])[-1], latest=True)

        return self._page(sorted(self.secrets), shown, "/secrets", query)

    def _page(
        self, found: list[str], shown: Callable[[str], dict[str, Any]], path: str, query: dict[str, str]
    ) -> Reply:
        wanted = _parameters(query, {"maxresults", "$skiptoken"})
        size, start = int(wanted.get("maxresults", 25)), int(wanted.get("$skiptoken", 0))
        if not 0 < size <= 25:
            raise refused(400, "BadParameter", "maxresults is out of range")
        link = f"{VAULT}{path}?api-version={max(_VERSIONS)}&maxresults={size}&$skiptoken={start + size}"
        page = [shown(one) for one in found[start : start + size]]
        return Reply(200, {"value": page, "nextLink": link if start + size < len(found) else None})

    def _update(self, name: str, version: str, query: dict[str, str], body: Any) -> Reply:
        _parameters(query, set())
        wanted = fields(body, {}, {"attributes": dict, "tags": dict})
        changed = fields(wanted.get("attributes", {}), {}, {"enabled": bool})
        self._may("update/action", name)
        found = self._found(name).get(version)
        if found is None:
            raise refused(404, "SecretNotFound", f"A secret with (name/id) {name}/{version} was not found")
        found["attributes"] |= changed | {"updated": self.now}
        found["tags"] = wanted.get("tags", found["tags"])
        return Reply(200, self._shown(name, version))

    def _delete(self, name: str, query: dict[str, str]) -> Reply:
        _parameters(query, set())
        self._may("delete", name)
        versions = self._found(name)
        shown = self._shown(name, list(versions)[-1])
        self.deleted[name.lower()] = self.secrets.pop(name.lower())
        recovery = {"recoveryId": f"{VAULT}/deletedsecrets/{name}", "deletedDate": self.now}
        return Reply(200, shown | recovery | {"scheduledPurgeDate": self.now + 90 * 86400})

    def _shown(self, name: str, version: str, *, value: bool = False, latest: bool = False) -> dict[str, Any]:
        found = self.secrets[name.lower()][version]
        path = name if latest else f"{name}/{version}"
        shown = {"id": f"{VAULT}/secrets/{path}", "attributes": dict(found["attributes"]), "tags": dict(found["tags"])}
        return shown | ({"value": found["value"]} if value else {})


class Login(Service):
    """One tenant's. `secret`: of the one application there."""

    hosts = (LOGIN, "login.microsoft.com")

    def __init__(self, tokens: Tokens) -> None:
        super().__init__()
        self.tokens = tokens
        self.secret = SECRET

    def answer(self, request: Request) -> Reply:
        base = f"https://{LOGIN}/{TENANT}"
        match request.method, request.path:
            case "GET", "/common/discovery/instance":
                aliases = {"preferred_network": LOGIN, "preferred_cache": "login.windows.net", "aliases": [LOGIN]}
                discovery = f"{base}/v2.0/.well-known/openid-configuration"
                return Reply(200, {"tenant_discovery_endpoint": discovery, "metadata": [aliases]})
            case "GET", path if path == f"/{TENANT}/v2.0/.well-known/openid-configuration":
                document = {
                    "token_endpoint": f"{base}/oauth2/v2.0/token",
                    "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                    "issuer": f"{base}/v2.0",
                }
                return Reply(200, document)
            case "POST", path if path == f"/{TENANT}/oauth2/v2.0/token":
                return self._token(request.body)
        raise Refused(404, {"error": "invalid_tenant", "error_description": f"AADSTS90002: {request.path}"})

    def _token(self, form: dict[str, str]) -> Reply:
        wanted = {"client_id", "client_secret", "grant_type", "scope"}
        known = {"client_info", "claims", *wanted}
        if not wanted <= form.keys() <= known or form["grant_type"] != "client_credentials":
            raise Refused(400, {"error": "invalid_request", "error_description": f"AADSTS900144: {sorted(form)}"})
        if form["scope"] != f"{RESOURCE}/.default":
            raise Refused(400, {"error": "invalid_scope", "error_description": "AADSTS70011: scope"})
        if form["client_id"] != CLIENT:
            raise Refused(400, {"error": "unauthorized_client", "error_description": "AADSTS700016: application"})
        if form["client_secret"] != self.secret:
            text = f"AADSTS7000215: Invalid client secret provided: {form['client_secret']}"
            raise Refused(401, {"error": "invalid_client", "error_description": text})
        return Reply(200, self.tokens.new())


class Machine(Service):
    """The metadata service of a virtual machine with one user-assigned identity."""

    hosts = ("169.254.169.254",)

    def __init__(self, tokens: Tokens) -> None:
        super().__init__()
        self.tokens = tokens
        self.has_identity = True

    def answer(self, request: Request) -> Reply:
        if request.method != "GET" or request.path != "/metadata/identity/oauth2/token":
            raise Refused(404, {"error": "not implemented here"})
        if request.headers.get("Metadata") != "true":
            raise Refused(400, {"error": "invalid_request", "error_description": "Required metadata header missing"})
        if request.query.get("resource") != RESOURCE or not self.has_identity:
            raise Refused(400, {"error": "invalid_request", "error_description": "Identity not found"})
        if request.query.get("client_id", IDENTITY) != IDENTITY:
            raise Refused(400, {"error": "invalid_request", "error_description": "Identity not found"})
        token = self.tokens.new()
        expires = str(int(time.time()) + 3600)
        return Reply(200, {**token, "expires_in": "3600", "expires_on": expires, "resource": RESOURCE})


def refused(status: int, code: str, message: str, inner: str = "") -> Refused:
    """In Key Vault's form of an error."""
    error: dict[str, Any] = {"code": code, "message": message}
    return Refused(status, {"error": error | ({"innererror": {"code": inner}} if inner else {})})


def _parameters(query: dict[str, str], known: set[str]) -> dict[str, str]:
    if not query.keys() <= known:
        raise refused(400, "BadParameter", f"not implemented here: {sorted(query)}")
    return query
