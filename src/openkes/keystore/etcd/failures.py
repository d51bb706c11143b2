"""What etcd says when it does not do what was asked: whether it may pass, and what an operator can do about it.

Told apart by the code of gRPC, which the gateway hands on, and by etcd's own words where one code means several things.
Source: etcd, api/v3rpc/rpctypes/error.go. Pure functions.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from openkes.keystore.http import Answer


class Kind(Enum):
    """What follows from it."""

    LOGIN = auto()  # a new token may help
    LATER = auto()  # nothing was done, and it may pass by itself
    UNKNOWN = auto()  # it may have been done, and may pass by itself
    REFUSED = auto()  # nothing was done, and an operator is needed


@dataclass(frozen=True, slots=True)
class Failure:
    """`text` is a format of `user` and `prefix`."""

    kind: Kind
    text: str


#: By a part of what etcd says; the first that fits counts.
_BY_WORDS = {
    "invalid auth token": Failure(Kind.LOGIN, "the login of user {user} does not hold: a new token is refused at once"),
    "revision of auth store is old": Failure(Kind.LOGIN, "its users and roles are changing; try again"),
    "user name is empty": Failure(Kind.LOGIN, "it wants a login: set keystore.etcd.user and keystore.etcd.password"),
    "authentication failed": Failure(
        Kind.REFUSED, "it refuses user {user}: wrong name or password; look at keystore.etcd.user and .password"
    ),
    "authentication is not enabled": Failure(
        Kind.REFUSED,
        "it asks nobody for a password, so that everybody who reaches it has the keys: run `etcdctl auth enable`, or "
        "take keystore.etcd.user and .password out if client certificates guard it",
    ),
    "permission denied": Failure(
        Kind.REFUSED,
        "permission refused for user {user}: run `etcdctl role grant-permission ROLE --prefix=true readwrite {prefix}`",
    ),
    "no leader": Failure(Kind.LATER, "it has no leader: most of its members are away; start them"),
    "too many requests": Failure(Kind.LATER, "too many requests wait there: its disk is slow, or others load it"),
    "database space exceeded": Failure(
        Kind.REFUSED,
        "its space is used up (NOSPACE): compact and defragment it, raise --quota-backend-bytes if need be, then run "
        "`etcdctl alarm disarm`",
    ),
    "CommonName": Failure(
        Kind.REFUSED,
        "with --client-cert-auth its JSON gateway takes only client certificates without a common name: make "
        "keystore.etcd.tls.cert with an empty CN, and name the user by keystore.etcd.user",
    ),
}
_GATEWAY_ALONE = Failure(
    Kind.UNKNOWN,
    "its JSON gateway cannot reach its own member: with --client-cert-auth the members' certificates need the extended "
    "key usage clientAuth, too; look at its log",
)
#: How gRPC puts it depends on who hung up first.
_HUNG_UP = ("connection closed", "connection error", "use of closed network connection", "broken pipe", "reset by peer")
_BY_WORDS |= dict.fromkeys(_HUNG_UP, _GATEWAY_ALONE)
_UNKNOWN_CODES = {1, 2, 4, 10, 13, 14}  # cancelled, unknown, deadline exceeded, aborted, internal, unavailable


def failure(answer: Answer) -> Failure:
    """Of an answer other than 200."""
    document = answer.document if isinstance(answer.document, dict) else {}
    words = str(document.get("message") or document.get("error") or document.get("text") or "").strip()
    for part, known in _BY_WORDS.items():
        if part in words:
            return known
    # What etcd says goes into a format.
    said = f"status {answer.status}: {words}".replace("{", "{{").replace("}", "}}")
    code = document.get("code")
    if answer.status == 404 and code is None:
        return Failure(Kind.REFUSED, "it has no JSON gateway at this address: start it with --enable-grpc-gateway=true")
    if code in _UNKNOWN_CODES or answer.status >= 500:
        return Failure(Kind.UNKNOWN, f"{said}; look at its members: etcdctl endpoint status --cluster")
    return Failure(Kind.REFUSED, f"{said}; look at etcd's log")
