"""One HTTPS exchange: address, trust, request, answer, and a name for every way it can fail.

Must not know the API's routes.
"""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from openkes.client.credentials import Credentials
from openkes.client.failures import AnswerError, ClientError, NoAnswer, Reason
from openkes.client.reasons import reason_of

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, HTTPSConnectionPool

DEFAULT_PORT = 7373
MAX_LINE = 1024 * 1024  # bytes; a log line is a few hundred
MAX_ERROR = 64 * 1024  # bytes of an error's body that are looked at
# A stream may say nothing for days; these find out that the other machine is gone.
_KEEPALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds to wait for a connection, and for an answer once there is one."""

    connect: float = 10.0  # a busy server answers a SYN in milliseconds; a dropped one should not block a script
    answer: float = 20.0  # the server's own limit is 15 s, and its answer says more than ours


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server's address."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """From `host`, `host:port` or `https://host[:port]`. ClientError."""
        url = text if "://" in text else f"https://{text}"
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port, parts = None, None, urlsplit("https://")
        if "@" in parts.netloc:  # not repeated: there may be a password in it
            raise ClientError("the server address holds a user name: a key server knows clients by certificate only")
        if parts.scheme == "http":
            raise ClientError(f"the server address {text!r} is plain HTTP: a key server speaks HTTPS only")
        if not host or parts.scheme != "https" or parts.path.strip("/") or "," in host:
            raise ClientError(f"the server address {text!r} is not of the form HOST:PORT or https://HOST:PORT")
        return cls(host, port or (443 if "://" in text else DEFAULT_PORT))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"https://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom to believe: the system's roots, the certificates in `ca` (file or folder), or anybody."""

    ca: Path | None = None
    insecure: bool = False

    def context(self) -> ssl.SSLContext:
        """ClientError when `ca` cannot be used."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # As Go does: the server's own certificate in the CA file is as good as its issuer's.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif self.ca is None:
            context.set_default_verify_paths()
        else:
            self._load(context, self.ca)
        return context

    @staticmethod
    def _load(context: ssl.SSLContext, ca: Path) -> None:
        try:
            files = sorted(p for p in ca.iterdir() if p.is_file()) if ca.is_dir() else [ca]
            for file in files:
                try:
                    context.load_verify_locations(file)
                except ssl.SSLError as error:
                    if not ca.is_dir():  # a folder may hold other things, a named file may not
                        raise ClientError(f"the CA file {file} holds no PEM certificate") from error
        except OSError as error:
            raise ClientError(f"cannot read the CA {ca}: {error.strerror}") from error
        if not context.get_ca_certs() and not context.cert_store_stats()["x509"]:
            raise ClientError(f"the CA folder {ca} holds no PEM certificate")


class Transport:
    """Connections to one server as one identity. Thread-safe as urllib3's pool is."""

    def __init__(
        self, endpoint: Endpoint, credentials: Credentials | None, trust: Trust, patience: Patience | None = None
    ) -> None:
        self.endpoint = endpoint
        self.credentials = credentials
        self.trust = trust
        self.patience = patience or Patience()

    @cached_property
    def _pool(self) -> HTTPSConnectionPool:
        import urllib3  # noqa: PLC0415  # a third of the start-up time, and unused when an argument is wrong

        context = self.trust.context()
        if self.credentials is not None:
            self.credentials.load(context)
        if self.trust.insecure:  # the caller knows; a warning on every call helps nobody
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        return urllib3.HTTPSConnectionPool(
            self.endpoint.host,
            self.endpoint.port,
            ssl_context=context,
            assert_hostname=False if self.trust.insecure else None,
            timeout=urllib3.Timeout(connect=self.patience.connect, read=self.patience.answer),
            retries=False,
            socket_options=[*urllib3.connection.HTTPConnection.default_socket_options, *_KEEPALIVE],
        )

    def exchange(
        self, method: str, path: str, body: dict[str, Any] | None = None, accept: str = "application/json"
    ) -> bytes:
        """The body of a 200 answer. AnswerError, NoAnswer, CredentialsError."""
        pool = self._pool
        data = None if body is None else json.dumps(body).encode()
        headers = {"Accept": accept}
        if data is not None:
            headers["Content-Type"] = "application/json"
        with _no_answer():
            answer = pool.request(method, path, body=data, headers=headers, redirect=False)
        if answer.status == 200:
            return answer.data
        raise _answer_error(answer.status, answer.data, method, path)

    def lines(self, path: str) -> Iterator[bytes]:
        """The lines of a stream as they come, without their ends, until the server ends it; the same errors.

        ClientError for a line over MAX_LINE."""
        import urllib3  # noqa: PLC0415

        endless = urllib3.Timeout(connect=self.patience.connect, read=None)
        headers = {"Accept": "application/x-ndjson"}
        with _no_answer():
            answer = self._pool.request(
                "GET", path, headers=headers, redirect=False, preload_content=False, timeout=endless
            )
        try:
            if answer.status != 200:
                with _no_answer():
                    data = answer.read(MAX_ERROR)
                raise _answer_error(answer.status, data, "GET", path)
            yield from _split(answer)
        finally:
            answer.close()

    def json(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """The JSON object of a 200 answer; the same errors."""
        data = self.exchange(method, path, body)
        try:
            answer = json.loads(data)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise AnswerError(200, "the answer is not a JSON object", method, path, from_kes=False)
        return answer

    def close(self) -> None:
        """Close the connections."""
        if "_pool" in self.__dict__:
            self._pool.close()


@contextmanager
def _no_answer(begun: bool = False) -> Iterator[None]:
    """What urllib3 and sockets raise comes out as NoAnswer. `begun`: there was an answer, so its end is missing."""
    from urllib3.exceptions import HTTPError  # noqa: PLC0415

    try:
        yield
    except (HTTPError, OSError) as error:
        reason, detail = reason_of(error)
        if begun and reason in (Reason.NOT_HTTP, Reason.CLOSED):
            reason, detail = Reason.CLOSED, "the server closed the connection in the middle of its answer"
        raise NoAnswer(reason, detail) from error


def _split(answer: BaseHTTPResponse) -> Iterator[bytes]:
    rest = b""
    while True:
        with _no_answer(begun=True):
            chunk = answer.read1()  # what is there: a line must not wait for the next one
        if not chunk:
            break
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
        if len(rest) > MAX_LINE:
            raise ClientError(f"the server sent a line of more than {MAX_LINE} bytes")
    if rest:
        yield rest


def _answer_error(status: int, data: bytes, method: str, path: str) -> AnswerError:
    try:
        message = json.loads(data)["message"]
    except (ValueError, TypeError, KeyError):
        message = None
    if isinstance(message, str):
        return AnswerError(status, message, method, path)
    return AnswerError(status, f"unexpected answer: HTTP status {status}", method, path, from_kes=False)
