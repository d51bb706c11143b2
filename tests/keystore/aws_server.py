"""AWS Secrets Manager on loopback: moto, behind a door that does what moto leaves out.

The door lets in one request at a time (moto compares and sets in two steps), checks signatures, an IAM policy and the
fields of a request, and refuses what the service refuses for a secret that is marked for deletion.
"""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import botocore.session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.core import DEFAULT_ACCOUNT_ID
from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.secretsmanager.models import FakeSecret, SecretsManagerBackend, secretsmanager_backends
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

REGION = "eu-central-1"
ACCESS, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
_MODEL = botocore.session.get_session().get_service_model("secretsmanager")
_Answer = tuple[int, dict[str, str]]


@dataclass(slots=True)
class Fault:
    """What the next request of `operation` gets. `done`: what it asks for is done all the same. `then` comes after."""

    operation: str
    status: int = 503
    code: str = "ServiceUnavailable"
    message: str = "a fault"
    done: bool = False
    then: Callable[[], object] | None = None


class SecretsManager:
    """`keys`: who may log in. `policy`: of that user, None for everything. `seen`: operations asked for."""

    def __init__(self) -> None:
        self.keys = {ACCESS: SECRET}
        self.policy: str | None = None
        self.faults: list[Fault] = []
        self.seen: list[str] = []
        self._lock = threading.Lock()
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._server = self._serve(0)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def backend(self) -> SecretsManagerBackend:
        return secretsmanager_backends[DEFAULT_ACCOUNT_ID][REGION]

    def reset(self) -> None:
        """As new, and without secrets."""
        self.keys, self.policy, self.faults, self.seen = {ACCESS: SECRET}, None, [], []
        self.backend.reset()

    def fill(self, names: Iterable[str]) -> None:
        """Many secrets at once: moto looks at all it has for each one that it makes."""
        for name in names:
            version = {"createdate": 0, "version_id": "1" * 32, "version_stages": ["AWSCURRENT"], "secret_string": "x"}
            secret = FakeSecret(DEFAULT_ACCOUNT_ID, REGION, name, version, "1" * 32, secret_string="x")
            dict.__setitem__(self.backend.secrets, name, secret)

    def mark(self, name: str) -> None:
        """As an operator schedules a deletion."""
        self.backend.delete_secret(name, 7, False)

    def stop(self) -> None:
        """Until `start`; what is stored stays."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def start(self) -> None:
        self._server = self._serve(self.port)

    def _serve(self, port: int) -> BaseWSGIServer:
        server = make_server("127.0.0.1", port, self._door, threaded=True, request_handler=_Handler)
        self.port = server.port
        self._thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return server

    def _door(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        operation = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
        with self._lock:
            self.seen.append(operation)
            wanted = json.loads(body)
            refused = (
                self._login(environ, body) or self._permission(operation, wanted) or self._state(operation, wanted)
            )
            fault = None if refused else self._fault(operation)
            if fault is not None:
                if fault.done:
                    list(self._moto(environ, lambda *_: None))
                if fault.then is not None:
                    fault.then()
                refused = (fault.status, {"__type": fault.code, "message": fault.message})
            if refused is not None:
                return _send(start_response, *refused)
            return list(self._moto(environ, start_response))

    def _fault(self, operation: str) -> Fault | None:
        for fault in self.faults:
            if fault.operation == operation:
                self.faults.remove(fault)
                return fault
        return None

    def _login(self, environ: dict[str, Any], body: bytes) -> _Answer | None:
        fields = dict(
            part.strip().split("=", 1)
            for part in environ["HTTP_AUTHORIZATION"].removeprefix("AWS4-HMAC-SHA256 ").split(",")
        )
        access, _, region, service, _ = fields["Credential"].split("/")
        if access not in self.keys:
            return _error("UnrecognizedClientException", "The security token included in the request is invalid.")
        signed = fields["SignedHeaders"].split(";")
        headers = {name: environ.get(f"HTTP_{name.upper().replace('-', '_')}", "") for name in signed}
        headers |= {"content-type": environ["CONTENT_TYPE"]} if "content-type" in signed else {}
        request = AWSRequest(method="POST", url=f"{self.url}/", data=body, headers=headers)
        request.context["timestamp"] = environ["HTTP_X_AMZ_DATE"]
        auth = SigV4Auth(Credentials(access, self.keys[access]), service, region)
        if (
            auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
            != fields["Signature"]
        ):
            return _error("InvalidSignatureException", "The request signature we calculated does not match")
        return None

    def _permission(self, operation: str, wanted: dict[str, Any]) -> _Answer | None:
        name = wanted.get("SecretId") or wanted.get("Name")
        secret = self.backend.secrets.get(name) if name else None
        arn = f"arn:aws:secretsmanager:{REGION}:{DEFAULT_ACCOUNT_ID}:secret:{name}-AbCdEf"
        resource = "*" if name is None else secret.arn if secret else arn
        action = f"secretsmanager:{operation}"
        if self.policy is None:
            return None
        if IAMPolicy(self.policy).is_action_permitted(action, resource) is PermissionResult.PERMITTED:
            return None
        user = f"arn:aws:iam::{DEFAULT_ACCOUNT_ID}:user/kes"
        why = f"because no identity-based policy allows the {action} action"
        return _error(
            "AccessDeniedException",
            f"User: {user} is not authorized to perform: {action} on resource: {resource} {why}",
        )

    def _state(self, operation: str, wanted: dict[str, Any]) -> _Answer | None:
        shape = _MODEL.operation_model(operation).input_shape
        if not set(shape.required_members) <= set(wanted) <= set(shape.members):
            return _error("ValidationException", f"{sorted(wanted)}")
        secret = self.backend.secrets.get(wanted.get("SecretId") or wanted.get("Name") or "")
        if secret is None or not secret.is_deleted() or operation in ("DescribeSecret", "RestoreSecret"):
            return None
        text = "You can't create this secret because a secret with this name is already scheduled for deletion."
        if operation != "CreateSecret":
            text = "You can't perform this operation on the secret because it was marked for deletion."
        return _error("InvalidRequestException", text)


class _Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_: object) -> None:
        pass


def _error(code: str, message: str) -> _Answer:
    return 400, {"__type": code, "message": message}


def _send(start_response: Callable[..., Any], status: int, document: dict[str, str]) -> list[bytes]:
    body = json.dumps(document).encode()
    headers = [("Content-Type", "application/x-amz-json-1.1"), ("Content-Length", str(len(body)))]
    start_response(f"{status} Status", headers)
    return [body]


@contextmanager
def serving() -> Iterator[SecretsManager]:
    server = SecretsManager()
    try:
        yield server
    finally:
        server.stop()
        server.reset()
