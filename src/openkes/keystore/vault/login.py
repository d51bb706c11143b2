"""The two ways to log in: AppRole and Kubernetes. Must not know what the token is used for, nor how long it lasts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol


class Login(Protocol):
    """`path` is the method's mount. `namespace`: where it is mounted, "" for the root. `retry` in seconds: between
    logins that fail."""

    @property
    def path(self) -> str: ...
    @property
    def namespace(self) -> str: ...
    @property
    def retry(self) -> float: ...
    @property
    def hint(self) -> str:
        """What to look at when the login is refused."""

    @property
    def locks(self) -> bool:
        """Whether the server locks the role when it has refused a few logins."""

    def body(self) -> dict[str, str]:
        """Read anew for each login. OperatorError."""


@dataclass(frozen=True, slots=True)
class AppRole:
    role_id: Callable[[], str] = field(repr=False)
    secret_id: Callable[[], str] = field(repr=False)
    path: str = "approle"
    namespace: str = ""
    retry: float = 2.0
    locks: bool = True
    hint: str = (
        "keystore.vault.approle.id and .secret must be those of a role whose secret is still valid "
        "(`bao write -f auth/approle/role/ROLE/secret-id` makes another); after five refused logins it locks the "
        "role for 15 minutes"
    )

    def body(self) -> dict[str, str]:
        return {"role_id": self.role_id(), "secret_id": self.secret_id()}


@dataclass(frozen=True, slots=True)
class Kubernetes:
    role: str
    jwt: Callable[[], str] = field(repr=False)
    path: str = "kubernetes"
    namespace: str = ""
    retry: float = 2.0
    locks: bool = False
    hint: str = (
        "keystore.vault.kubernetes.role must name a role that is bound to this service account and namespace, and "
        "the server must be able to ask Kubernetes for a TokenReview"
    )

    def body(self) -> dict[str, str]:
        return {"role": self.role, "jwt": self.jwt()}
