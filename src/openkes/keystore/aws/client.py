"""One request to AWS Secrets Manager through boto3, with bounded time and without boto3's own repetition.

Owns the login and the time-outs. Must not know key stores.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import CredentialProvider, CredentialResolver, Credentials, ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, ClientError

from openkes.errors import OperatorError
from openkes.keystore import Unreachable
from openkes.keystore.aws import failures

CONNECT_SECONDS = 2.0
READ_SECONDS = 3.0  # Secrets Manager answers in a fraction of a second; who asks tries again
_CONNECTIONS = 16

# At DEBUG it logs what it sends and receives, and with that keys.
logging.getLogger("botocore").setLevel(logging.INFO)


@dataclass(frozen=True, slots=True)
class Keys:
    """Of an IAM user, or of a session."""

    access: str
    secret: str = field(repr=False)
    token: str = field(default="", repr=False)


class Client:
    """Thread-safe. `region` "": as boto3 finds it."""

    def __init__(self, region: str, endpoint: str, keys: Callable[[], Keys] | None) -> None:
        self.closed = threading.Event()
        self._where = f"AWS Secrets Manager {endpoint or region}".rstrip()
        config = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"total_max_attempts": 1},
            max_pool_connections=_CONNECTIONS,
        )
        session = botocore.session.get_session()
        session.set_default_client_config(config)  # for those, too, that fetch a role's credentials
        if keys is not None:
            session.register_component("credential_provider", CredentialResolver([_Provider(keys)]))
        try:
            boto = boto3.session.Session(botocore_session=session, region_name=region or None)
            self._client = boto.client("secretsmanager", endpoint_url=endpoint or None)
        except (BotoCoreError, ValueError) as error:
            raise self._failed(error) from None
        if not region:
            self._where = f"AWS Secrets Manager {endpoint or self._client.meta.region_name}"

    def call(self, operation: str, **wanted: Any) -> dict[str, Any]:
        """The answer to one request. Absent, Taken, WrongState, Refused, Unreachable (Passing)."""
        if self.closed.is_set():
            raise Unreachable(f"{self._where}: the key store is closed")
        try:
            answer: dict[str, Any] = getattr(self._client, operation)(**wanted)
        except ClientError as error:
            raise failures.said(error, self._where) from None
        except OperatorError as error:
            raise Unreachable(f"{self._where}: {error}; {error.hint}") from None
        except BotoCoreError as error:
            raise self._failed(error) from None
        return answer

    def close(self) -> None:
        """Calls after it raise Unreachable."""
        self.closed.set()
        self._client.close()

    def _failed(self, error: Exception) -> Unreachable:
        if isinstance(error, ValueError):
            return Unreachable(
                f"{self._where}: this is no endpoint; write keystore.aws.secretsmanager.endpoint as a URL"
            )
        return failures.failed(error, self._where)

    def __str__(self) -> str:
        return self._where.removeprefix("AWS Secrets Manager ")


class _Provider(CredentialProvider):  # type: ignore[misc]
    """Gives boto3 the configured keys and no others."""

    METHOD = "openkes"
    CANONICAL_NAME = "custom-openkes"

    def __init__(self, keys: Callable[[], Keys]) -> None:
        super().__init__()
        self._keys = keys

    def load(self) -> Credentials:
        return _Credentials(self._keys)


class _Credentials(Credentials):  # type: ignore[misc]
    """Read whenever a request is signed, so that replaced files work without a restart."""

    def __init__(self, keys: Callable[[], Keys]) -> None:
        super().__init__("", "")
        self._keys = keys

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        keys = self._keys()
        return ReadOnlyCredentials(keys.access, keys.secret, keys.token or None, None)
