# Copyright: openkes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A small HTTPS client for key servers, and plain words for what can go wrong on the way.

Standard library and `ansible.module_utils.urls` only, so that it runs on a host where nothing is installed. Knows
the routes a rollout needs; knows nothing of Ansible's results.
"""

from __future__ import annotations

import base64
import errno
import json
import os
import socket
import ssl
from typing import Any, Dict, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from ansible.module_utils.urls import open_url


class Failure(NamedTuple):
    """Why a call failed: the cause as half a sentence, the next step as a sentence."""

    cause: str
    step: str
    status: int = 0


class KesError(Exception):
    """A call did not succeed. `failure` says why; `status` is 0 when no answer came."""

    def __init__(self, failure: Failure) -> None:
        super().__init__("%s. %s" % (failure.cause, failure.step))
        self.failure = failure
        self.status = failure.status


class Connection(NamedTuple):
    """How to reach one key server and as whom. Paths of PEM files on the host this runs on; seconds."""

    endpoint: str
    certificate: str
    key: str
    trust: str | None
    timeout: float
    validate: bool = True


class Kes:
    """One key server. Every method raises KesError."""

    def __init__(self, connection: Connection) -> None:
        self._to = connection
        for path in (connection.certificate, connection.key, connection.trust):
            if path and not os.access(path, os.R_OK):
                raise KesError(Failure("%s cannot be read" % path, "Look whether it exists and who may read it."))

    def call(self, method: str, path: str, body: Dict[str, Any] | None = None) -> Any:
        """The decoded answer, None when it is empty."""
        data = None if body is None else json.dumps(body).encode()
        to = self._to
        try:
            answer = open_url(
                to.endpoint.rstrip("/") + path,
                method=method,
                data=data,
                headers={"Content-Type": "application/json"} if data is not None else None,
                client_cert=to.certificate,
                client_key=to.key,
                ca_path=to.trust,
                validate_certs=to.validate,
                timeout=to.timeout,
                use_proxy=False,  # keys take no detour
                http_agent="openkes-ansible",
            )
            text = answer.read()
        except HTTPError as error:
            raise KesError(_refused(error, path)) from None
        except (URLError, OSError, ssl.SSLError) as error:
            raise KesError(unreachable(error, to.endpoint, to.timeout)) from None
        except Exception as error:  # what open_url makes of a broken client pair differs by version
            raise KesError(
                Failure("cannot call %s (%s)" % (to.endpoint, error), "Look at the certificate files.")
            ) from None
        if not text:
            return None
        try:
            return json.loads(text.decode())
        except ValueError:
            raise KesError(Failure("%s answered something that is not JSON" % to.endpoint, NOT_A_SERVER)) from None

    def describe(self, name: str) -> Dict[str, Any] | None:
        """What the server tells about a key, None when there is no such key."""
        try:
            found = self.call("GET", "/v1/key/describe/" + name)
        except KesError as error:
            if error.status == 404 and "key does not exist" in error.failure.cause:
                return None
            raise
        return found if isinstance(found, dict) else {}

    def create(self, name: str) -> bool:
        """Create a key; False when somebody else was quicker."""
        try:
            self.call("PUT", "/v1/key/create/" + name, {})
        except KesError as error:
            if error.status == 400 and "already exists" in error.failure.cause:
                return False
            raise
        return True

    def round_trip(self, name: str) -> None:
        """Generate a data key and decrypt it again; the key itself is forgotten here."""
        context = base64.b64encode(b'{"openkes":"round trip"}').decode()
        made = self.call("PUT", "/v1/key/generate/" + name, {"context": context})
        opened = self.call("PUT", "/v1/key/decrypt/" + name, {"ciphertext": made["ciphertext"], "context": context})
        if opened["plaintext"] != made["plaintext"]:
            raise KesError(
                Failure(
                    "%s opened its own data key to something else" % self._to.endpoint,
                    "Do not store anything under this key; look at the key server's log.",
                )
            )


NOT_A_SERVER = "Look whether that is a key server and its port the right one."


def _refused(error: HTTPError, path: str) -> Failure:
    try:
        message = str(json.loads(error.read().decode())["message"])
    except (ValueError, KeyError, TypeError, OSError):
        message = error.reason or "no reason given"
    steps = {
        403: "Its identity has no policy that allows %s: run the playbook without --limit, so that the key servers"
        " learn of every host." % path,
        404: "Create the key, or look whether the key servers were given another key store."
        if "key" in message
        else NOT_A_SERVER,
    }
    if error.code >= 500:
        steps[error.code] = "Look at the key server's log: journalctl -u openkes."
    return Failure("%s answered %d (%s)" % (path, error.code, message), steps.get(error.code, NOT_A_SERVER), error.code)


def unreachable(error: BaseException, endpoint: str, timeout: float) -> Failure:
    """Words for a call that got no answer."""
    cause: Any = error
    while isinstance(getattr(cause, "reason", None), BaseException):
        cause = cause.reason
    parts = urlsplit(endpoint)
    host, port = parts.hostname or endpoint, parts.port or 443
    text = str(cause)
    if isinstance(cause, socket.gaierror):
        return Failure(
            "the name %s is not known here" % host,
            "Give it to the resolver or /etc/hosts, or set kes_server_advertise for that key server to an address.",
        )
    if isinstance(cause, ConnectionRefusedError) or getattr(cause, "errno", None) == errno.ECONNREFUSED:
        return Failure(
            "cannot reach %s (connection refused)" % endpoint, "Open port %d from {host} to %s" % (port, host)
        )
    if isinstance(cause, (socket.timeout, TimeoutError)) or "timed out" in text:
        return Failure(
            "cannot reach %s (no answer within %g s)" % (endpoint, timeout),
            "Open port %d from {host} to %s" % (port, host),
        )
    if getattr(cause, "errno", None) in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        return Failure(
            "cannot reach %s (%s)" % (endpoint, cause.strerror.lower()),
            "Open port %d from {host} to %s" % (port, host),
        )
    if isinstance(cause, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY_FAILED" in text:
        return _untrusted(cause, host, endpoint)
    return Failure("cannot talk to %s (%s)" % (endpoint, text or type(cause).__name__), NOT_A_SERVER)


def _untrusted(cause: Any, host: str, endpoint: str) -> Failure:
    why = getattr(cause, "verify_message", "") or str(cause)
    if "expired" in why:
        return Failure(
            "the certificate of %s has ended" % endpoint, "Run the playbook on the key servers; it renews it."
        )
    if "match" in why.lower():
        return Failure(
            "the certificate of %s is not for the name %s" % (endpoint, host),
            "Add the name to kes_pki_names, or set kes_server_advertise to a name that it has.",
        )
    if "not yet valid" in why:
        return Failure("the certificate of %s is not valid yet" % endpoint, "Set this host's clock.")
    return Failure(
        "the certificate of %s is not trusted here (%s)" % (endpoint, why),
        "Look whether another program listens there, or whether the authority on the controller was replaced.",
    )
