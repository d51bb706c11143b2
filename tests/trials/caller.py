"""One connection to a key server with nothing in between: what was answered, whatever it was."""

from __future__ import annotations

import http.client
import json
import ssl
from base64 import b64decode, b64encode
from typing import NamedTuple

from tests.servers import Identity, KeyServer


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def message(self) -> str:
        """Of an error."""
        return str(json.loads(self.body)["message"])

    def field(self, name: str) -> bytes:
        """A byte string of a 200."""
        return b64decode(json.loads(self.body)[name])


class Caller:
    """HTTP/1.1 with a client certificate, one request at a time."""

    def __init__(self, server: KeyServer, identity: Identity | None = None) -> None:
        who = identity or server.admin
        context = ssl.create_default_context(cafile=str(server.tls.cert))
        context.load_cert_chain(who.cert, who.key)
        self._connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=context, timeout=60)

    def call(self, method: str, path: str, fields: dict[str, bytes | str] | None = None, **headers: str) -> Answer:
        """`fields` become JSON, byte strings base64; None sends no body."""
        body = None
        if fields is not None:
            body = json.dumps({k: v if isinstance(v, str) else b64encode(v).decode() for k, v in fields.items()})
        self._connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        answer = self._connection.getresponse()
        return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())

    def generate(self, name: str, context: bytes = b"") -> Answer:
        return self.call("PUT", f"/v1/key/generate/{name}", {"context": context})

    def decrypt(self, name: str, ciphertext: bytes, context: bytes = b"") -> Answer:
        return self.call("PUT", f"/v1/key/decrypt/{name}", {"ciphertext": ciphertext, "context": context})

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
