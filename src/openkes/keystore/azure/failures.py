"""What Key Vault and Azure's libraries say when they do not do what was asked, in an operator's words.

Told apart by HTTP status and by the code of the inner error. Source: the REST reference of Key Vault, and its page of
error codes. What the service says is shown only where it cannot hold a value that was sent to it.
"""

from __future__ import annotations

import re
from typing import Any

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceRequestTimeoutError,
    ServiceResponseError,
)
from azure.identity import CredentialUnavailableError

from openkes.keystore import Unreachable
from openkes.keystore.attempts import Passing

_SECTION = "keystore.azure.keyvault"
#: By method of the client: the action of a role, and the permission of an access policy.
PERMISSIONS = {
    "get_secret": ("getSecret/action", "get"),
    "set_secret": ("setSecret/action", "set"),
    "update_secret_properties": ("update/action", "set"),
    "list_properties_of_secrets": ("readMetadata/action", "list"),
    "list_properties_of_secret_versions": ("readMetadata/action", "list"),
    "begin_delete_secret": ("delete", "delete"),
}
_ACTION = re.compile(r"Action: '(Microsoft\.KeyVault/[A-Za-z/]+)'")
_LOGIN = re.compile(r"AADSTS\d+")
_NOBODY = "failed to retrieve a token from the included credentials"  # of DefaultAzureCredential
_DELETED = {"ObjectIsDeletedButRecoverable", "ObjectIsBeingDeleted"}


class Absent(Exception):
    """No such secret or version."""


class Deleted(Exception):
    """The secret is soft-deleted, or about to be."""


class LoginRefused(Unreachable):
    """The vault does not take the token."""


class Disabled(Exception):
    """The version is disabled, expired or not valid yet."""


def said(error: HttpResponseError, method: str, where: str) -> Exception:
    """What to raise for an answer that is an error."""
    status = int(error.status_code or 0)
    code, inner, message = _told(error)
    if status == 404:
        return Absent(code)
    if status == 409 and inner in _DELETED:
        return Deleted(inner)
    if status == 409:
        return Passing(f"{where}: the secret is in use ({inner or code})", maybe_done=False)
    if status == 403 and (inner == "SecretDisabled" or "disabled secret" in message):
        return Disabled(inner)
    if status == 403:
        return Unreachable(f"{where}: {_denied(inner, message, method)}")
    if status == 401:
        return LoginRefused(f"{where}: login refused; look at {_SECTION}.credentials, and at the tenant of the vault")
    if status == 429:
        return Passing(f"{where}: too many requests for this vault", maybe_done=False)
    if status >= 500 or status == 408:
        return Passing(f"{where}: status {status}; look at the Azure status page", maybe_done=True)
    return Unreachable(f"{where}: it does not take the request (status {status} {inner or code})".rstrip())


def _told(error: HttpResponseError) -> tuple[str, str, str]:
    """Code, code of the inner error, message; "" for what is not told."""
    try:
        response: Any = error.response
        document = response.json()["error"]
        inner = document.get("innererror") or {}
        return str(document.get("code", "")), str(inner.get("code", "")), str(document.get("message", ""))
    except (AttributeError, KeyError, TypeError, ValueError):
        return "", "", ""


def _denied(inner: str, message: str, method: str) -> str:
    said = " ".join(message.split())
    if inner == "ForbiddenByFirewall":
        return f"refused by the vault's firewall: add this machine's network to it, or a private endpoint ({said})"
    action, permission = PERMISSIONS[method]
    named = _ACTION.search(message)
    needed = named[1] if named else f"Microsoft.KeyVault/vaults/secrets/{action}"
    return f"permission refused: the role needs {needed} (with access policies: {permission}) ({said})"


def failed(error: AzureError, where: str) -> Unreachable:
    """What to raise when there was no answer, or nothing was sent."""
    if isinstance(error, CredentialUnavailableError) or _NOBODY in str(error.message):
        text = "there is no login: give the machine a managed identity, or set"
        return Unreachable(f"{where}: {text} {_SECTION}.credentials")
    cause = _cause(error)
    if "CertificateVerif" in cause or "certificate verify failed" in str(error.message):
        return Unreachable(f"{where}: its certificate is not trusted; REQUESTS_CA_BUNDLE names other roots")
    if isinstance(error, ClientAuthenticationError):
        found = _LOGIN.search(str(error.message))
        look = f"look at {_SECTION}.credentials or .managed_identity"
        if found:
            return Unreachable(f"{where}: login refused ({found[0]}: see login.microsoftonline.com/error); {look}")
        return Passing(f"{where}: no login ({cause}); {look}", maybe_done=False)
    if isinstance(error, ServiceRequestError | ServiceRequestTimeoutError):
        return Passing(f"{where}: no connection ({cause})", maybe_done=False)
    if isinstance(error, ServiceResponseError):
        return Passing(f"{where}: no answer ({cause})", maybe_done=True)
    return Passing(f"{where}: its answer cannot be read ({cause})", maybe_done=True)


def _cause(error: BaseException) -> str:
    """The innermost cause's kind: texts of the libraries are long and name addresses of memory."""
    while True:
        below = error.__cause__ or getattr(error, "inner_exception", None) or error.__context__
        if below is None:
            return type(error).__name__
        error = below
