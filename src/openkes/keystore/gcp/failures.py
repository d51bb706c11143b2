"""What Google's API and its client say when they do not do what was asked, in an operator's words.

Told apart by HTTP status and, below 400, by the status's name. Source: Google's AIP-193 and the reference of Secret
Manager. What the service says is shown only where it cannot hold a value that was sent to it.
"""

from __future__ import annotations

import re

import requests
from google.api_core.exceptions import GoogleAPICallError, RetryError
from google.auth import exceptions as auth

from openkes.keystore import Unreachable
from openkes.keystore.attempts import Passing

#: By method of the client.
PERMISSIONS = {
    "create_secret": "secretmanager.secrets.create",
    "get_secret": "secretmanager.secrets.get",
    "list_secrets": "secretmanager.secrets.list",
    "delete_secret": "secretmanager.secrets.delete",
    "add_secret_version": "secretmanager.versions.add",
    "access_secret_version": "secretmanager.versions.access",
}
_SECTION = "keystore.gcp.secretmanager"
_NAMED = re.compile(r"'(secretmanager\.[A-Za-z.]+)'")


class Absent(Exception):
    """No such secret or version."""


class Taken(Exception):
    """There is a secret of this name."""


class Changed(Exception):
    """The secret is not in the state that the request names: its etag is another one, or its version is disabled."""


def said(error: GoogleAPICallError, method: str, where: str) -> Exception:
    """What to raise for an answer that is an error."""
    status = int(error.code or 0)
    name, message = _told(error)
    if status == 404:
        return Absent(name)
    if status == 409:
        return Taken(name) if name != "ABORTED" else Changed(name)
    if name == "FAILED_PRECONDITION":
        return Changed(name)
    if status == 403:
        return Unreachable(f"{where}: {_denied(message, method)}")
    if status == 401:
        text = "login refused: is the service account enabled, and the clock of this machine right?"
        return Unreachable(f"{where}: {text} Look at {_SECTION}.credentials")
    if status == 429:
        return Passing(f"{where}: too many requests: look at the quotas of the project", maybe_done=False)
    if status >= 500 or status == 408:
        return Passing(f"{where}: status {status}; look at status.cloud.google.com", maybe_done=True)
    return Unreachable(f"{where}: it does not take the request (status {status} {name})".rstrip())


def _told(error: GoogleAPICallError) -> tuple[str, str]:
    """A name as `FAILED_PRECONDITION`, and the message; both "" when the answer is not in Google's form."""
    try:
        told = error.response.json()["error"]
        return str(told["status"]), str(told["message"])
    except (AttributeError, KeyError, TypeError, ValueError):
        return "", ""


def _denied(message: str, method: str) -> str:
    found = _NAMED.search(message)
    if message and not found and "ermission" not in message:  # the API is not enabled, or a perimeter is in the way
        return f"refused: {message}"
    return f"permission refused: the role needs {found[1] if found else PERMISSIONS[method]} ({message})"


def failed(error: Exception, where: str) -> Unreachable:
    """What to raise when there was no answer, or nothing was sent."""
    if isinstance(error, auth.DefaultCredentialsError):
        text = "there are no credentials: give the machine a service account, or set"
        return Unreachable(f"{where}: {text} {_SECTION}.credentials, or GOOGLE_APPLICATION_CREDENTIALS")
    if isinstance(error, auth.TransportError):
        return Passing(f"{where}: no answer from the login ({_cause(error)})", maybe_done=False)
    if isinstance(error, auth.RefreshError):
        text = f"login refused ({type(error).__name__}): look at {_SECTION}.credentials and the clock of this machine"
        return Unreachable(f"{where}: {text}") if not error.retryable else Passing(f"{where}: {text}", maybe_done=False)
    if isinstance(error, auth.GoogleAuthError):
        return Unreachable(f"{where}: no login ({type(error).__name__}): look at {_SECTION}.credentials")
    if isinstance(error, requests.exceptions.SSLError):
        return Unreachable(f"{where}: its certificate is not trusted; REQUESTS_CA_BUNDLE names other roots")
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return Passing(f"{where}: no connection in time", maybe_done=False)
    if isinstance(error, requests.exceptions.ConnectionError | requests.exceptions.Timeout | RetryError):
        return Passing(f"{where}: no answer ({_cause(error)})", maybe_done=True)
    if isinstance(error, requests.exceptions.RequestException):
        return Passing(f"{where}: its answer cannot be read ({type(error).__name__})", maybe_done=True)
    raise error


def _cause(error: BaseException) -> str:
    """The innermost cause's kind: texts of the libraries are long and name addresses of memory."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return type(error).__name__
