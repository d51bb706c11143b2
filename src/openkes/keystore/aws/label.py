"""The label `AWSCURRENT`, which says what version of a secret is its value: moved only from where it was seen.

Owns what is found out when nobody knows whether it was moved. Must not know values.
"""

from __future__ import annotations

import contextlib

from openkes.keystore import Unreachable
from openkes.keystore.attempts import Attempts, Passing
from openkes.keystore.aws.client import Client
from openkes.keystore.aws.failures import Absent, Refused, WrongState

CURRENT, PREVIOUS = "AWSCURRENT", "AWSPREVIOUS"
PROPOSED = "openkes-proposed"  # the label of a version that is to become the current one


class Label:
    """Thread-safe. A `secret` is an ARN."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def move(self, secret: str, old: str, version: str, attempts: Attempts) -> bool:
        """From version `old` to `version`. False: another one has it. Absent, WrongState, Refused, Unreachable."""
        maybe_done = False
        moved = {"VersionStage": CURRENT, "MoveToVersionId": version, "RemoveFromVersionId": old}
        while True:
            try:
                self._client.call("update_secret_version_stage", SecretId=secret, **moved)
            except Refused:
                if not maybe_done:
                    return False
            except Passing as error:
                maybe_done |= error.maybe_done
                failed: Unreachable = error
            else:
                return True
            if maybe_done and self._is_or_was_current(secret, version, attempts):
                return True
            if not attempts.pause():
                raise self._unknown() if maybe_done else failed

    def _is_or_was_current(self, secret: str, version: str, attempts: Attempts) -> bool:
        """Was: somebody went on from there."""
        answer = attempts.repeat(lambda: self._client.call("describe_secret", SecretId=secret))
        labels = answer.get("VersionIdsToStages", {})
        return bool({CURRENT, PREVIOUS} & set(labels.get(version, ())))

    def _unknown(self) -> Unreachable:
        return Unreachable(
            f"AWS Secrets Manager {self._client}: nobody knows whether the change took effect; look at the key, then"
            " try again"
        )

    def tidy(self, secret: str, version: str) -> None:
        """Take `PROPOSED` away: the label means nothing to a reader, so that a failure does no harm."""
        wanted = {"SecretId": secret, "VersionStage": PROPOSED, "RemoveFromVersionId": version}
        with contextlib.suppress(Unreachable, Absent, WrongState, Refused):
            self._client.call("update_secret_version_stage", **wanted)
