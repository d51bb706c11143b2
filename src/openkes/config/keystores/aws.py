"""`keystore.aws.secretsmanager`: one region of an account."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar

from openkes.config import values
from openkes.config.keystores.extra import needs
from openkes.config.keystores.given import given, secrets
from openkes.config.node import Node
from openkes.config.schema import KeyStoreSettings
from openkes.config.secret import Secret
from openkes.keystore import KeyStore


@dataclass(frozen=True, slots=True)
class Credentials:
    """Of an IAM user, or with `token` of a session."""

    access: Secret
    secret: Secret
    token: Secret | None = None


@dataclass(frozen=True, slots=True)
class AWSSettings(KeyStoreSettings):
    """`region`, `endpoint` and `credentials` as boto3 finds them where they are not set."""

    region: str = ""
    endpoint: str = ""
    kms_key: str = ""
    credentials: Credentials | None = None
    hint: ClassVar[str] = "docs/stores/aws.md has the IAM policy; `aws sts get-caller-identity` shows who asks"

    def open(self, initialise: bool = True) -> KeyStore:
        with needs("aws"):
            from openkes.keystore.aws import AWSStore  # noqa: PLC0415 - boto3 is loaded when it is chosen
            from openkes.keystore.aws.client import Keys  # noqa: PLC0415

        found = self.credentials
        if found is None:
            return AWSStore(self.region, self.endpoint, self.kms_key)

        def keys() -> Keys:
            return Keys(found.access.read(), found.secret.read(), found.token.read() if found.token else "")

        return AWSStore(self.region, self.endpoint, self.kms_key, keys)

    def describe(self) -> str:
        return f"AWS Secrets Manager, {self.endpoint or self.region or 'the region that boto3 finds'}"

    def place(self) -> Hashable:
        return "aws", self.endpoint, self.region


def settings(node: Node) -> AWSSettings:
    keys = given(node, "endpoint", "region", "kmskey", "credentials")
    found = secrets(keys["credentials"], ("accesskey", "secretkey"), ("token",)) if "credentials" in keys else None
    return AWSSettings(
        region=values.text(keys["region"]) if "region" in keys else "",
        endpoint=values.url(keys["endpoint"], scheme="https") if "endpoint" in keys else "",
        kms_key=values.text(keys["kmskey"]) if "kmskey" in keys else "",
        credentials=Credentials(found["accesskey"], found["secretkey"], found.get("token")) if found else None,
    )
