"""The one call of Kubernetes that a login needs: TokenReview, over TLS, strict about what it is asked.

OpenBao does the login itself, against this. Source: Kubernetes API, authentication.k8s.io/v1.
"""

from __future__ import annotations

import base64
import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import trustme
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

PATH = "/apis/authentication.k8s.io/v1/tokenreviews"
REVIEWER = "reviewer-token"  # what OpenBao shows to be allowed to ask


class Cluster(ThreadingHTTPServer):
    """`tokens`: those that are good, each with the account that it is for; `asked` counts reviews."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.ca = authority.cert_pem.bytes().decode()
        self.url = f"https://127.0.0.1:{self.server_port}"
        self.tokens: dict[str, tuple[str, str]] = {}
        self.asked = 0
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def token(self, account: str = "kes", namespace: str = "minio") -> str:
        """A new service account token, as the kubelet puts it into a pod; good until it is taken out of `tokens`."""
        now = int(time.time())
        claims = {
            "iss": "https://kubernetes.default.svc.cluster.local",
            "aud": ["https://kubernetes.default.svc.cluster.local"],
            "sub": f"system:serviceaccount:{namespace}:{account}",
            "iat": now,
            "nbf": now,
            "exp": now + 3600,
            "jti": str(len(self.tokens)),
            "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": account, "uid": "uid-of-" + account}},
        }
        signed = ".".join(_base64(json.dumps(part).encode()) for part in ({"alg": "RS256", "kid": "1"}, claims))
        made = f"{signed}.{_base64(self._key.sign(signed.encode(), PKCS1v15(), SHA256()))}"
        self.tokens[made] = (namespace, account)
        return made

    def review(self, token: str) -> dict[str, Any]:
        if token not in self.tokens:
            return {"authenticated": False, "error": "[invalid bearer token, token has been invalidated]"}
        namespace, account = self.tokens[token]
        user = {
            "username": f"system:serviceaccount:{namespace}:{account}",
            "uid": "uid-of-" + account,
            "groups": ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"],
        }
        return {"authenticated": True, "user": user, "audiences": ["https://kubernetes.default.svc.cluster.local"]}


class _Handler(BaseHTTPRequestHandler):
    server: Cluster

    def do_POST(self) -> None:
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers.get("Authorization") != f"Bearer {REVIEWER}":
            self._answer(401, {"kind": "Status", "status": "Failure", "reason": "Unauthorized", "code": 401})
            return
        if (
            self.path != PATH
            or review.get("kind") not in ("TokenReview", None)
            or set(review["spec"])
            - {
                "token",
                "audiences",
            }
        ):
            self._answer(400, {"kind": "Status", "status": "Failure", "reason": "BadRequest", "code": 400})
            return
        self.server.asked += 1
        status = self.server.review(review["spec"]["token"])
        self._answer(201, {"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "status": status})

    def _answer(self, status: int, document: Any) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@contextmanager
def serving() -> Iterator[Cluster]:
    cluster = Cluster()
    thread = threading.Thread(target=cluster.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield cluster
    finally:
        cluster.shutdown()
        thread.join()
        cluster.server_close()
