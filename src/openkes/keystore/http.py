"""JSON over HTTPS to a key store's own API, for the back ends without an SDK.

Owns connections, time-outs, the order in which several endpoints are tried, and turning what the network does into
`Unreachable`. Must not know what a call means: a status is handed on as it is.
"""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError, NewConnectionError, SSLError

from openkes.keystore import Unreachable

CONNECT_SECONDS = 3.0  # on the wire a matter of milliseconds; an endpoint that is gone must not eat a whole request
READ_SECONDS = 10.0  # below the 15 s that the API gives a request, so that a client hears why
MAX_ANSWER = 16 * 1024 * 1024  # bytes; a list of 100,000 names is far shorter
_LEAST_SECONDS = 0.05  # a server on this machine answers in less
_CONNECTIONS = 8  # kept per endpoint; more callers open more, for their call only


@dataclass(frozen=True, slots=True)
class ClientTLS:
    """PEM files. `ca` None: the system's roots. `key` and `cert`: the client's own, or neither."""

    ca: Path | None = None
    key: Path | None = None
    cert: Path | None = None

    def context(self) -> ssl.SSLContext:
        """OSError (ssl.SSLError included) when a file is no good."""
        context = ssl.create_default_context(cafile=str(self.ca) if self.ca else None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.cert is not None:
            context.load_cert_chain(self.cert, self.key)
        return context


@dataclass(frozen=True, slots=True)
class Answer:
    """`document` is the JSON body, {} for none; `header` the response's, with any case."""

    status: int
    document: Any
    header: Mapping[str, str]


class MaybeDone(Unreachable):
    """The request was sent and no answer came: the store may have carried it out."""


class Endpoints:
    """Thread-safe. `endpoints` are URLs of servers that hold the same data; the one that answered last comes first, one
    that did not answer comes last."""

    def __init__(self, endpoints: tuple[str, ...], tls: ClientTLS, read_seconds: float = READ_SECONDS) -> None:
        """`read_seconds`: how long one endpoint may be silent. Unreachable when a TLS file is no good."""
        try:
            context = tls.context() if any(url.startswith("https:") for url in endpoints) else None
        except OSError as error:
            named = ", ".join(str(path) for path in (tls.ca, tls.cert, tls.key) if path)
            raise Unreachable(f"{endpoints[0]}: cannot use the TLS files {named}: {error.strerror or error}") from None
        self._urls = endpoints
        self._read_seconds = read_seconds
        self._first = 0
        self._closed = False
        self._pool = urllib3.PoolManager(
            num_pools=len(endpoints),
            maxsize=_CONNECTIONS,
            ssl_context=context,
            retries=False,
        )

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        repeatable: bool = False,
        unwanted: frozenset[int] = frozenset(),
        until: float | None = None,
    ) -> Answer:
        """The first endpoint's answer. The next one is asked when a connection cannot be made, when the status is in
        `unwanted`, and, for a `repeatable` call, when no answer came. `until`: a time of the monotonic clock after
        which no endpoint is waited for. Unreachable (MaybeDone)."""
        if self._closed:
            raise Unreachable(f"key store {self._urls[0]}: it is closed")
        reasons: list[str] = []
        maybe_done = False
        first = self._first
        for i in range(len(self._urls)):
            at = (first + i) % len(self._urls)
            left = self._read_seconds if until is None else until - time.monotonic()
            if left <= 0 and reasons:
                break
            try:
                answer = self._ask(self._urls[at], method, path, body, headers, left)
            except (HTTPError, OSError) as error:
                self.pass_on(at)
                reasons.append(f"{self._urls[at]}: {_reason(error)}")
                if _is_unsent(error):
                    continue
                maybe_done = True
                if repeatable:
                    continue
                break
            if answer.status in unwanted and i + 1 < len(self._urls):
                reasons.append(f"{self._urls[at]}: status {answer.status}")
                continue
            self._first = at
            return answer
        raise (MaybeDone if maybe_done else Unreachable)("; ".join(reasons))

    def pass_on(self, at: int | None = None) -> None:
        """Let the next call begin with another endpoint than `at`, or than it would begin with."""
        if at is None or at == self._first:
            self._first = (self._first + 1) % len(self._urls)

    def _ask(
        self, url: str, method: str, path: str, body: Any, headers: Mapping[str, str] | None, seconds: float
    ) -> Answer:
        sent = {"Accept": "application/json", **(headers or {})}
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        seconds = max(seconds, _LEAST_SECONDS)
        timeout = urllib3.Timeout(connect=min(CONNECT_SECONDS, seconds), read=min(self._read_seconds, seconds))
        response = self._pool.request(
            method, url + path, body=data, headers=sent, timeout=timeout, redirect=False, preload_content=False
        )
        try:
            content = response.read(MAX_ANSWER, decode_content=True)
            if len(content) == MAX_ANSWER:
                raise HTTPError("the answer is too long")
        finally:
            # What was not read to its end cannot be used again.
            response.drain_conn()
            response.release_conn()
        try:
            document = json.loads(content) if content else {}
        except ValueError:
            document = {"text": content[:200].decode(errors="replace")}
        return Answer(response.status, document, response.headers)

    def close(self) -> None:
        """Calls after it raise Unreachable."""
        self._closed = True
        self._pool.clear()

    def __str__(self) -> str:
        return ", ".join(urlsplit(url).netloc for url in self._urls)


def _is_unsent(error: Exception) -> bool:
    """Whether the server cannot have seen the request: no connection was made."""
    return isinstance(error, NewConnectionError | SSLError | urllib3.exceptions.ConnectTimeoutError)


def _reason(error: Exception) -> str:
    """The cause below urllib3's wrapping."""
    timed_out = isinstance(error, urllib3.exceptions.ConnectTimeoutError | urllib3.exceptions.ReadTimeoutError)
    if timed_out and not isinstance(error, NewConnectionError):  # which is a time-out to urllib3
        return "no answer in time"
    cause = error.__cause__ or (error.args[-1] if error.args and isinstance(error.args[-1], Exception) else error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {cause.verify_message}"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return str(cause).rpartition(": ")[2] or type(cause).__name__
