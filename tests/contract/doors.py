"""Both doors in this process, without a network: what the front would hand over, handed over by hand."""

from __future__ import annotations

import io
import os
import threading
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from werkzeug.test import run_wsgi_app

from openkes.crypto.aead import Algorithm
from openkes.crypto.entry import Key
from openkes.front import Peer
from openkes.identity import identity_of_certificate, new_identity
from openkes.keystore import KeyStore
from openkes.keystore.cache import KeyCache
from openkes.keystore.lifecycle import Lifecycle
from openkes.keystore.memory import MemoryStore
from openkes.policy import Policy
from openkes.server.app import create_app
from openkes.server.hot import create_door
from openkes.server.state import Settings, State
from tests.contract import replies
from tests.contract.certificates import ca_certificate
from tests.contract.replies import Reply, Request


@dataclass
class Lines:
    """An audit log in memory."""

    written: list[bytes] = field(default_factory=list)
    lines = 0
    failures = 0

    wanted = True
    required = False
    refusing = False

    def append(self, line: bytes) -> bool:
        self.written.append(line)
        return True

    def flush(self, timeout: float = 0) -> None:
        pass

    def close(self) -> None:
        pass


class Doors:
    """A server's application with the identities of the recorded replies."""

    def __init__(self, store: KeyStore | None = None, wait: float = 3600.0) -> None:
        certificates = {name: new_identity(name).certificate for name in ("admin", "minio", "unknown")}
        certificates["ca"] = ca_certificate()
        self.identities = {name: identity_of_certificate(pem) for name, pem in certificates.items()}
        self.peers = {name: Peer("192.0.2.1:1234", self.identities[name], pem, 1) for name, pem in certificates.items()}
        self.peers["none"] = Peer("192.0.2.1:1234", "", None, 0)
        self.audit = Lines()
        self.store = store or MemoryStore()
        cache = KeyCache(self.store)
        lifecycle = Lifecycle(cache, wait)
        lifecycle.scan()
        self.state = State(self.settings(), cache, self.audit, lifecycle)  # type: ignore[arg-type]
        for name in replies.KEYS:
            algorithm = Algorithm.CHACHA20 if "chacha20" in name else Algorithm.AES256
            lifecycle.create(name, Key(algorithm, os.urandom(32), os.urandom(32), 1, self.identities["admin"]))
        self.app = create_app(self.state)
        self.door = create_door(self.state)
        self.hot_answers = 0
        self._lock = threading.Lock()

    def settings(self) -> Settings:
        return Settings(
            admin=self.identities["admin"],
            policies={"minio": Policy(allow=replies.POLICY)},
            identities={self.identities["minio"]: "minio"},
            api={},
            loaded_at=1_700_000_000_000_000_000,
        )

    def both(self, request: Request) -> Reply:
        """The hot door first, as the front does."""
        return self.hot(request) or self.flask(request)

    def hot(self, request: Request) -> Reply | None:
        body = request.body or b""
        answer = self.door(request.method, request.path, self.peers[request.identity], _declared(request), body)
        if answer is None:
            return None
        self.hot_answers += 1
        return Reply(answer[0], "application/json" if answer[1] else None, None, answer[1])

    def flask(self, request: Request) -> Reply:
        path, _, query = request.path.partition("?")
        body = request.body or b""
        environ = {
            "REQUEST_METHOD": request.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": query,
            "RAW_URI": request.path,
            "CONTENT_LENGTH": str(len(body)),
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "7373",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.url_scheme": "https",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": io.StringIO(),
            "wsgi.version": (1, 0),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "openkes.peer": self.peers[request.identity],
            "openkes.declared_length": _declared(request),
        }
        chunks, status, headers = run_wsgi_app(self.app.wsgi_app, environ)
        body = b"".join(chunks)
        return Reply(int(status.split()[0]), headers.get("Content-Type"), headers.get("Location"), body)


def _declared(request: Request) -> int | None:
    if request.chunked:
        return None
    return None if request.body is None else len(request.body)
