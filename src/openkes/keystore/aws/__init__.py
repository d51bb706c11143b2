"""The key store in AWS Secrets Manager: a secret per key, named as the key, the entry as its current value.

Owns which requests are which call, and what follows when nobody knows whether one took effect. Must not know boto3
(`client` does) nor what the service's errors are called (`failures` does).
A version has an id that its writer chooses, so that a repeated write is the same write. Of several versions that are
to replace the same one, the service lets one become the current one: the label moves only from where it is said to be.
"""

from __future__ import annotations

import contextlib
import re
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from openkes import names
from openkes.keystore import KeyExists, KeyNotFound, Page, Status, Unreachable
from openkes.keystore.attempts import Attempts, Passing
from openkes.keystore.aws.client import Client, Keys
from openkes.keystore.aws.content import read, written
from openkes.keystore.aws.failures import Absent, Refused, Taken, WrongState
from openkes.keystore.aws.label import CURRENT, PROPOSED, Label
from openkes.keystore.paging import page_of

LIST_SECONDS = 11.0  # a page has 100 names, so that a long list takes many requests
#: How long a secret that was deleted for good may still look like one that waits for its deletion.
GOING_SECONDS = 3.0
_PAGE = 100  # the most that the service gives
_NOBODY = "openkes-probe-status"  # a name that is never stored
_PREFIX = re.compile(r"[0-9A-Za-z_-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Version:
    """`secret` is the ARN, which another secret of the same name does not share."""

    secret: str
    id: str
    value: bytes


class AWSStore:
    """Implements `KeyStore`. `kms_key` "": the account's default key of Secrets Manager."""

    def __init__(
        self, region: str, endpoint: str = "", kms_key: str = "", keys: Callable[[], Keys] | None = None
    ) -> None:
        """`keys` None: from environment, profile or instance, as boto3 finds them. Reads once: Unreachable when nobody
        answers, or the login or its permission is no good."""
        self._kms_key = kms_key
        self._client = Client(region, endpoint, keys)
        self._label = Label(self._client)
        try:
            self.status()
        except Unreachable:
            self.close()
            raise

    def create(self, name: str, value: bytes) -> None:
        _check(name)
        attempts, version, maybe_done = self._attempts(), str(uuid.uuid4()), False
        wanted: dict[str, Any] = {"Name": name, "ClientRequestToken": version, **written(value)}
        if self._kms_key:
            wanted["KmsKeyId"] = self._kms_key
        while True:
            try:
                self._client.call("create_secret", **wanted)
            except Taken:
                if maybe_done and self._has(name, version, attempts):
                    return
                raise KeyExists(name) from None
            except WrongState:
                # A secret that was deleted for good is gone after a moment; one that an operator deleted stays.
                if not attempts.pause():
                    raise Unreachable(_deleted(name)) from None
            except (Absent, Refused) as error:
                raise Unreachable(f"{error}; is keystore.aws.secretsmanager.kmskey a key of this region?") from None
            except Passing as error:
                maybe_done |= error.maybe_done
                if not attempts.pause():
                    raise
            else:
                return

    def get(self, name: str) -> bytes:
        return self._read(name, self._attempts()).value

    def replace(self, name: str, old: bytes, new: bytes) -> None:
        attempts = self._attempts()
        found = self._read(name, attempts)
        if found.value != old:
            raise KeyExists(name)
        version = str(uuid.uuid4())
        proposed = {"SecretId": found.secret, "ClientRequestToken": version, "VersionStages": [PROPOSED]}
        try:
            attempts.repeat(lambda: self._client.call("put_secret_value", **proposed, **written(new)))
            won = self._label.move(found.secret, found.id, version, attempts)
        except Absent:
            raise KeyNotFound(name) from None
        except WrongState:
            raise Unreachable(_deleted(name)) from None
        except (Taken, Refused) as error:
            raise Unreachable(str(error)) from None
        if attempts.left:
            self._label.tidy(found.secret, version)
        if not won:
            raise KeyExists(name)

    def delete(self, name: str) -> None:
        attempts = self._attempts()
        secret = self._read(name, attempts).secret
        try:
            # By its ARN: one that somebody creates under its name, once it is gone, stays.
            wanted = {"SecretId": secret, "ForceDeleteWithoutRecovery": True}
            attempts.repeat(lambda: self._client.call("delete_secret", **wanted))
        except Absent:
            return
        except WrongState:
            raise Unreachable(_deleted(name)) from None
        except Refused as error:
            raise Unreachable(str(error)) from None

    def list(self, prefix: str, limit: int, start: str = "") -> Page:
        if not _PREFIX.fullmatch(prefix):
            return Page([], "")
        attempts = Attempts(self._client.closed, LIST_SECONDS)
        wanted: dict[str, Any] = {"MaxResults": _PAGE}
        if prefix:
            wanted["Filters"] = [{"Key": "name", "Values": [prefix]}]
        found: list[str] = []
        while True:
            answer = self._ask(attempts, "list_secrets", **wanted)
            found += [secret["Name"] for secret in answer["SecretList"] if "DeletedDate" not in secret]
            if not answer.get("NextToken"):
                return page_of(filter(names.is_valid, found), prefix, limit, start)
            if not attempts.left:
                raise Unreachable(
                    f"AWS Secrets Manager {self._client}: listing took longer than {LIST_SECONDS:g} s, after"
                    f" {len(found)} names; keep what is no key of this server in another region or account"
                )
            wanted["NextToken"] = answer["NextToken"]

    def status(self) -> Status:
        begin = time.perf_counter()
        with contextlib.suppress(Absent, WrongState):
            self._ask(self._attempts(), "get_secret_value", SecretId=_NOBODY, VersionStage=CURRENT)
        return Status(time.perf_counter() - begin)

    def close(self) -> None:
        self._client.close()

    def _attempts(self) -> Attempts:
        return Attempts(self._client.closed)

    def _ask(self, attempts: Attempts, operation: str, **wanted: Any) -> dict[str, Any]:
        """Something that may be asked twice. Absent, WrongState, Unreachable."""
        try:
            return attempts.repeat(lambda: self._client.call(operation, **wanted))
        except Refused as error:
            raise Unreachable(str(error)) from None

    def _read(self, name: str, attempts: Attempts) -> _Version:
        """KeyNotFound, Unreachable."""
        if not names.is_valid(name):
            raise KeyNotFound(name)
        begin = attempts.left
        while True:
            try:
                answer = self._ask(attempts, "get_secret_value", SecretId=name, VersionStage=CURRENT)
                return _Version(answer["ARN"], answer["VersionId"], read(answer))
            except Absent:
                raise KeyNotFound(name) from None
            except WrongState:
                if begin - attempts.left > GOING_SECONDS or not attempts.pause():
                    raise Unreachable(_deleted(name)) from None

    def _has(self, secret: str, version: str, attempts: Attempts) -> bool:
        """Whether the secret has this version."""
        try:
            self._ask(attempts, "get_secret_value", SecretId=secret, VersionId=version)
        except (Absent, WrongState):
            return False
        return True


def _check(name: str) -> None:
    if not names.is_valid(name):
        raise KeyNotFound(name)


def _deleted(name: str) -> str:
    return (
        f"secret {name} is marked for deletion, and is neither read nor made anew:"
        f" bring it back with `aws secretsmanager restore-secret --secret-id {name}`"
    )
