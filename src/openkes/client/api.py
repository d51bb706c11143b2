"""The routes of the API as methods. Byte strings in and out; base64 stays on the wire."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from typing import Any, Literal
from urllib.parse import quote

from openkes.client.credentials import Credentials
from openkes.client.failures import AnswerError
from openkes.client.transport import Endpoint, Patience, Transport, Trust


class Client:
    """A key server as one identity sees it. Every method raises AnswerError, NoAnswer or CredentialsError."""

    def __init__(
        self,
        endpoint: Endpoint,
        credentials: Credentials | None,
        trust: Trust | None = None,
        patience: Patience | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.credentials = credentials
        self.trust = trust or Trust()
        self._transport = Transport(endpoint, credentials, self.trust, patience)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._transport.close()

    def create_key(self, name: str) -> None:
        """400 `key already exists`."""
        self._transport.exchange("PUT", _path("create", name))

    def import_key(self, name: str, key: bytes, cipher: str) -> None:
        """`key`: 32 bytes. 400 `key already exists`."""
        self._transport.exchange("PUT", _path("import", name), {"key": _text(key), "cipher": cipher})

    def describe_key(self, name: str) -> dict[str, Any]:
        """`name`, `algorithm`, `created_at`, `created_by`. 404."""
        return self._transport.json("GET", _path("describe", name))

    def list_keys(self, prefix: str = "") -> tuple[list[str], str]:
        """Names with `prefix`, sorted, and "" or the name at which the server broke off (upstream does, at 1,024)."""
        return self._list(_path("list", prefix), "names")

    def list_key_versions(self, prefix: str = "") -> dict[str, int]:
        """Every name with `prefix`, and the number of its newest version: 1 unless it was rotated."""
        answer = self._transport.json("GET", _path("list", prefix))
        versions = answer.get("versions") or {}
        return {str(name): int(versions.get(name, 1)) for name in answer.get("names") or []}

    def delete_key(self, name: str) -> None:
        """404 `key does not exist`. What it protected cannot be read again."""
        self._transport.exchange("DELETE", _path("delete", name))

    def rotate_key(self, name: str) -> int:
        """The number of the new version. 404."""
        return int(self._transport.json("PUT", _path("rotate", name))["version"])

    def undelete_key(self, name: str) -> None:
        """404 when no deletion waits under this name."""
        self._transport.exchange("PUT", _path("undelete", name))

    def pending_keys(self, prefix: str = "") -> dict[str, dict[str, str]]:
        """Deleted keys that are kept for a while: name to `purge_at`."""
        found: dict[str, dict[str, str]] = self._transport.json("GET", _path("pending", prefix))["names"]
        return found

    def generate(self, name: str, context: bytes = b"") -> tuple[bytes, bytes]:
        """A new data key: (32 bytes of plaintext, its ciphertext)."""
        path, body = _path("generate", name), {"context": _text(context)} if context else {}
        answer = self._transport.json("PUT", path, body)
        return _bytes(answer, "plaintext", path), _bytes(answer, "ciphertext", path)

    def encrypt(self, name: str, plaintext: bytes, context: bytes = b"") -> bytes:
        """The ciphertext."""
        path, body = _path("encrypt", name), {"plaintext": _text(plaintext)}
        if context:
            body["context"] = _text(context)
        return _bytes(self._transport.json("PUT", path, body), "ciphertext", path)

    def decrypt(self, name: str, ciphertext: bytes, context: bytes = b"") -> bytes:
        """The plaintext. 400 `decryption failed: …`."""
        path, body = _path("decrypt", name), {"ciphertext": _text(ciphertext)}
        if context:
            body["context"] = _text(context)
        return _bytes(self._transport.json("PUT", path, body), "plaintext", path)

    def hmac(self, name: str, message: bytes) -> bytes:
        """32 bytes. 409 when the key has no HMAC key."""
        path = _path("hmac", name)
        return _bytes(self._transport.json("PUT", path, {"message": _text(message)}), "hmac", path)

    def describe_policy(self, name: str) -> dict[str, Any]:
        """`name`, `created_at`, `created_by`. 404."""
        return self._transport.json("GET", _path("describe", name, "policy"))

    def read_policy(self, name: str) -> dict[str, Any]:
        """As `describe_policy`, with `allow` and `deny`: paths to empty dicts, absent where there are none. 404."""
        return self._transport.json("GET", _path("read", name, "policy"))

    def list_policies(self, prefix: str = "") -> tuple[list[str], str]:
        """As `list_keys`."""
        return self._list(_path("list", prefix, "policy"), "names")

    def describe_identity(self, identity: str) -> dict[str, Any]:
        """`admin` (a bool) or `policy` (a name), `created_at`, `created_by`. 404: in no policy."""
        return self._transport.json("GET", _path("describe", identity, "identity"))

    def list_identities(self, prefix: str = "") -> tuple[list[str], str]:
        """As `list_keys`; the admin's among them."""
        return self._list(_path("list", prefix, "identity"), "identities")

    def version(self) -> dict[str, Any]:
        """`version`, `commit`."""
        return self._transport.json("GET", "/version")

    def describe_self(self) -> dict[str, Any]:
        """Who the server takes this client for: `identity`, and `admin` or `policy` with `allow` and `deny`; upstream's
        `policy` is a dict that holds its `name` and these. 404: in no policy."""
        return self._transport.json("GET", "/v1/identity/self/describe")

    def status(self) -> dict[str, Any]:
        """As on the wire: `version`, `uptime` (s), `keystore_latency` (us) or `keystore_unreachable`, ..."""
        return self._transport.json("GET", "/v1/status")

    def metrics(self) -> str:
        """Prometheus text."""
        return self._transport.exchange("GET", "/v1/metrics", accept="text/plain").decode("utf-8", "replace")

    def log(self, kind: Literal["audit", "error"]) -> Iterator[dict[str, Any]]:
        """The server's log from now on, as it comes, until the server ends it (it stops, or restarts)."""
        path = f"/v1/log/{kind}"
        for line in self._transport.lines(path):
            if not line.strip():
                continue
            try:
                event = json.loads(line)
            except ValueError:
                event = None
            if not isinstance(event, dict):
                raise AnswerError(200, "a line of the log is not a JSON object", "GET", path, from_kes=False)
            yield event

    def _list(self, path: str, field: str) -> tuple[list[str], str]:
        answer = self._transport.json("GET", path)
        return [str(name) for name in answer.get(field) or []], str(answer.get("continue_at") or "")


def _path(route: str, name: str, kind: str = "key") -> str:
    return f"/v1/{kind}/{route}/{quote(name, safe='*')}"


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _bytes(answer: dict[str, Any], field: str, path: str) -> bytes:
    try:
        return base64.b64decode(answer[field], validate=True)
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise AnswerError(200, f"the answer has no {field!r}", "PUT", path, from_kes=False) from None
