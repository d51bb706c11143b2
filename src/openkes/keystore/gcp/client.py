"""One request to Google Secret Manager through its client, over HTTPS with JSON, with bounded time and without the
client's own repetition.

Owns the login, the time-outs and the checksums. Must not know key stores.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import google.auth
import google_crc32c
import requests
from google.api_core.client_options import ClientOptions
from google.api_core.exceptions import GoogleAPICallError
from google.auth.credentials import Credentials
from google.auth.exceptions import GoogleAuthError
from google.cloud.secretmanager_v1 import SecretManagerServiceClient
from google.oauth2 import service_account

from openkes.errors import OperatorError
from openkes.keystore import Unreachable
from openkes.keystore.attempts import Passing
from openkes.keystore.gcp import failures

REQUEST_SECONDS = 4.0  # to connect, and again for an answer; Secret Manager answers in a fraction of a second
DEFAULT_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
_PAGE = 25_000  # the most that the service gives
_TOKEN_URL = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address

# At DEBUG it logs what it sends and receives, and with that keys.
logging.getLogger("google").setLevel(logging.INFO)


@dataclass(frozen=True, slots=True)
class Account:
    """A service account and one of its keys, PEM."""

    email: str
    client_id: str
    key_id: str
    key: str = field(repr=False)


class Client:
    """Thread-safe. Names are names of secrets, without their project."""

    def __init__(
        self, project: str, endpoint: str, scopes: tuple[str, ...], account: Callable[[], Account] | None
    ) -> None:
        """`account` None: as Google's library finds it (application default credentials)."""
        self.closed = threading.Event()
        self._parent = f"projects/{project}"
        self._where = f"Google Secret Manager {endpoint or project}"
        self._endpoint = endpoint
        self._scopes = scopes or DEFAULT_SCOPES
        self._account = account
        self._lock = threading.Lock()
        self._made: tuple[Account | None, SecretManagerServiceClient] | None = None

    def create(self, name: str) -> None:
        """A secret without a version. Taken, Unreachable (Passing), as all below."""
        secret: dict[str, Any] = {"replication": {"automatic": {}}}
        self._call("create_secret", {"parent": self._parent, "secret_id": name, "secret": secret})

    def add(self, name: str, data: bytes) -> int:
        """The number of the new version. Absent."""
        payload = {"data": data, "data_crc32c": google_crc32c.value(data)}
        added = self._call("add_secret_version", {"parent": self._path(name), "payload": payload})
        return int(added.name.rpartition("/")[2])

    def access(self, name: str, number: int) -> bytes:
        """What is in the version. Absent, Changed (it is disabled or destroyed)."""
        answer = self._call("access_secret_version", {"name": f"{self._path(name)}/versions/{number}"})
        data = bytes(answer.payload.data)
        if "data_crc32c" in answer.payload and answer.payload.data_crc32c != google_crc32c.value(data):
            raise Passing(f"{self._where}: {name} was damaged on its way (its checksum is wrong)", maybe_done=False)
        return data

    def describe(self, name: str) -> tuple[str, str]:
        """When the secret was created, and its etag. Absent."""
        secret = self._call("get_secret", {"name": self._path(name)})
        return secret.create_time.isoformat(), secret.etag

    def remove(self, name: str, etag: str) -> None:
        """The secret and all its versions. Absent, Changed (its etag is another one)."""
        self._call("delete_secret", {"name": self._path(name), "etag": etag})

    def pages(self) -> Iterator[list[str]]:
        """All names, as the service has them."""
        wanted: dict[str, Any] = {"parent": self._parent, "page_size": _PAGE}
        while True:
            page = next(self._call("list_secrets", wanted).pages)
            yield [secret.name.rpartition("/")[2] for secret in page.secrets]
            if not page.next_page_token:
                return
            wanted["page_token"] = page.next_page_token

    def close(self) -> None:
        """Calls after it raise Unreachable."""
        self.closed.set()
        with self._lock:
            if self._made is not None:
                self._made[1].transport.close()  # type: ignore[no-untyped-call]

    def _path(self, name: str) -> str:
        return f"{self._parent}/secrets/{name}"

    def _call(self, method: str, request: dict[str, Any]) -> Any:
        if self.closed.is_set():
            raise Unreachable(f"{self._where}: the key store is closed")
        try:
            return getattr(self._client(), method)(request=request, retry=None, timeout=REQUEST_SECONDS)
        except GoogleAPICallError as error:
            raise failures.said(error, method, self._where) from None
        except OperatorError as error:
            raise Unreachable(f"{self._where}: {error}; {error.hint}") from None
        except (GoogleAuthError, requests.exceptions.RequestException) as error:
            raise failures.failed(error, self._where) from None

    def _client(self) -> SecretManagerServiceClient:
        """Made anew when the account's key has been replaced."""
        account = self._account() if self._account else None
        with self._lock:
            if self._made is None or self._made[0] != account:
                options = ClientOptions(api_endpoint=self._endpoint or None)
                made = SecretManagerServiceClient(
                    credentials=self._credentials(account), transport="rest", client_options=options
                )
                self._made = account, made
            return self._made[1]

    def _credentials(self, account: Account | None) -> Credentials:
        if account is None:
            found, _ = google.auth.default(scopes=self._scopes)
            return found
        document = {
            "type": "service_account",
            "client_email": account.email,
            "client_id": account.client_id,
            "private_key_id": account.key_id,
            "private_key": account.key,
            "token_uri": _TOKEN_URL,
        }
        try:
            made: Credentials = service_account.Credentials.from_service_account_info(  # type: ignore[no-untyped-call]
                document, scopes=self._scopes
            )
        except ValueError:
            raise Unreachable(
                f"{self._where}: the private key cannot be read; keystore.gcp.secretmanager.credentials.private_key"
                " needs all lines of the PEM, from -----BEGIN to -----END"
            ) from None
        return made

    def __str__(self) -> str:
        return self._where
