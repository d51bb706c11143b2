"""One request to Azure Key Vault through its client, with bounded time and without the client's own repetition.

Owns the connection, and how a version's properties are written. Must not know key stores.
"""

from __future__ import annotations

import email.utils
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from azure.core.exceptions import AzureError, HttpResponseError
from azure.core.pipeline import PipelineResponse
from azure.keyvault.secrets import SecretClient, SecretProperties

from openkes.errors import OperatorError
from openkes.keystore import Unreachable
from openkes.keystore.azure import failures
from openkes.keystore.azure.login import BOUNDS, PrincipalLogin
from openkes.keystore.azure.versions import AFTER, NAME, STATE, WRITE, Version

_PAGE = 25  # the most that the service gives
_T = TypeVar("_T")

# They log requests at INFO, what is in them at DEBUG, and at WARNING, in many lines, what is an error's text here.
logging.getLogger("azure").setLevel(logging.ERROR)
logging.getLogger("msal").setLevel(logging.ERROR)


class Client:
    """Thread-safe. `login`: a credential of Azure's libraries. Raises what `failures` has, and Unreachable."""

    def __init__(self, endpoint: str, login: Any) -> None:
        self.closed = threading.Event()
        self._where = f"Key Vault {endpoint}"
        self._login = login
        self._client = SecretClient(endpoint, login, **BOUNDS)

    def versions(self, name: str) -> tuple[list[Version], int]:
        """Those of a secret, in no order, none for one that is not there; and the service's time before that."""
        times: list[int] = []

        def note(response: PipelineResponse[Any, Any]) -> None:
            times.append(_date(response.http_response.headers.get("Date", "")))

        def listed() -> list[Version]:
            pages = self._client.list_properties_of_secret_versions(name, max_page_size=_PAGE, raw_response_hook=note)
            return [_version(properties) for properties in pages]

        try:
            found = self._call("list_properties_of_secret_versions", listed)
        except failures.Absent:
            found = []
        if not times or 0 in times:
            raise Unreachable(f"{self._where}: its answers have no header Date; is a proxy in between?")
        return found, times[0]

    def get(self, name: str, version: str | None = None) -> str:
        """Its value. Absent, Disabled."""
        secret = self._call("get_secret", lambda: self._client.get_secret(name, version))
        return secret.value or ""

    def add(self, name: str, value: str, version: Version) -> None:
        """A version with this value, and what `version` says of itself, but its id and time. Deleted."""
        self._call("set_secret", lambda: self._client.set_secret(name, value, tags=_tags(version)))

    def mark(self, name: str, version: Version, *, enabled: bool) -> None:
        """Write what `version` says of itself. Absent."""
        tags = _tags(version)
        self._call(
            "update_secret_properties",
            lambda: self._client.update_secret_properties(name, version.id, enabled=enabled, tags=tags),
        )

    def delete(self, name: str) -> None:
        """Absent, Deleted."""
        self._call("begin_delete_secret", lambda: self._client.begin_delete_secret(name))

    def pages(self) -> Iterator[list[str]]:
        """All names, as they were given; those of certificates left out."""
        pages = self._client.list_properties_of_secrets(max_page_size=_PAGE).by_page()
        while True:
            page = self._call("list_properties_of_secrets", lambda: next(pages, None))
            if page is None:
                return
            yield [_name(properties) for properties in page if not properties.managed]

    def close(self) -> None:
        """Calls after it raise Unreachable."""
        self.closed.set()
        self._client.close()

    def _call(self, method: str, call: Callable[[], _T]) -> _T:
        try:
            return self._once(method, call)
        except failures.LoginRefused:
            if not isinstance(self._login, PrincipalLogin):
                raise
            self._login.forget()
            return self._once(method, call)

    def _once(self, method: str, call: Callable[[], _T]) -> _T:
        if self.closed.is_set():
            raise Unreachable(f"{self._where}: the key store is closed")
        try:
            return call()
        except HttpResponseError as error:
            if error.status_code is None or _is_login(error):
                raise failures.failed(error, self._where) from None
            raise failures.said(error, method, self._where) from None
        except AzureError as error:
            raise failures.failed(error, self._where) from None
        except OperatorError as error:
            raise Unreachable(f"{self._where}: {error}; {error.hint}") from None
        except ValueError:  # of the challenge
            raise Unreachable(
                f"{self._where}: what answers there asks for the login of another service; name the vault's own"
                " address as keystore.azure.keyvault.endpoint"
            ) from None

    def __str__(self) -> str:
        return self._where


def _is_login(error: HttpResponseError) -> bool:
    """Said by the login service, not by the vault."""
    return error.response is not None and "/secrets" not in str(getattr(error.response.request, "url", ""))


def _version(properties: SecretProperties) -> Version:
    tags = properties.tags or {}
    created = int(properties.created_on.timestamp()) if properties.created_on else 0
    return Version(
        id=properties.version or "",
        created=created,
        name=_name(properties),
        write=tags.get(WRITE, ""),
        after=tags.get(AFTER, ""),
        state=tags.get(STATE, ""),
    )


def _tags(version: Version) -> dict[str, str]:
    tags = {NAME: version.name, WRITE: version.write, AFTER: version.after, STATE: version.state}
    return {tag: value for tag, value in tags.items() if value}


def _name(properties: SecretProperties) -> str:
    """As it was given: the service finds a secret whatever the case, and may show that of who asks."""
    name = properties.name or ""
    given = (properties.tags or {}).get(NAME, "")
    return given if given.lower() == name.lower() else name


def _date(text: str) -> int:
    """Seconds since 1970; 0 for what is no date."""
    try:
        return int(email.utils.parsedate_to_datetime(text).timestamp())
    except ValueError:
        return 0
