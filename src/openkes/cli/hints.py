"""What to try next: from a client's failure to an error text with a hint. Reads nothing but what it is given."""

from __future__ import annotations

from openkes.client import AnswerError, Client, ClientError, NoAnswer, Reason
from openkes.errors import OperatorError

SET_IDENTITY = (
    "set KES_CLIENT_KEY and KES_CLIENT_CERT to the client's files, or KES_API_KEY; `kes identity new` makes an identity"
)


def explain(error: ClientError, client: Client, source: str) -> OperatorError:
    """The error as the operator should see it. `source`: the option or variable the address came from, or ""."""
    where = f"the address came from {source}" if source else "set KES_SERVER if it runs elsewhere"
    if isinstance(error, NoAnswer):
        return OperatorError(f"cannot talk to {client.endpoint}: {error}", _of_no_answer(error, client, where))
    if isinstance(error, AnswerError):
        return OperatorError(str(error), _of_answer(error, client, where))
    return OperatorError(str(error), error.hint)


_PLAIN = {
    Reason.REFUSED: "is the server running, and listening on port {port}? {where}",
    Reason.UNKNOWN_HOST: "check the spelling of {host!r}; {where}",
    Reason.UNREACHABLE: "a firewall, or a wrong address? {where}",
    Reason.TIMEOUT: "a firewall, a wrong address, or a server that hangs? {where}",
    Reason.NOT_TLS: "a key server speaks HTTPS: is {port} the port of something else? {where}",
    Reason.NOT_HTTP: "a key server speaks HTTPS: is {port} the port of something else? {where}",
    Reason.WRONG_NAME: "connect by a name or address that its certificate has, or make it one for {host} "
    "(`kes identity new --ip/--dns`)",
    Reason.SERVER_EXPIRED: "renew the certificate on the server, and compare the clocks; -k skips the check",
    Reason.CLIENT_CERTIFICATE_MISSING: SET_IDENTITY,
    Reason.OTHER: "",
}


def _of_no_answer(error: NoAnswer, client: Client, where: str) -> str:
    if error.reason is Reason.UNTRUSTED:
        return _of_untrusted(client)
    if error.reason is Reason.CLIENT_CERTIFICATE_REFUSED:
        return _own_fault(client) or "its tls.auth is on: the client certificate must come from a CA it trusts"
    if error.reason is Reason.CLOSED:
        return _own_fault(client) or "the server's log may say why"
    return _PLAIN[error.reason].format(host=client.endpoint.host, port=client.endpoint.port, where=where)


def _of_untrusted(client: Client) -> str:
    if client.trust.ca is not None:
        return f"{client.trust.ca} does not vouch for this server: is it the right CA, or an old certificate?"
    return "if it is self-signed, pass its certificate (--ca FILE or KES_CA_PATH), or skip the check with -k"


def _of_answer(error: AnswerError, client: Client, where: str) -> str:
    if not error.from_kes:
        return f"what answers at {client.endpoint} does not look like a key server; {where}"
    if "client certificate" in error.message:
        return SET_IDENTITY if client.credentials is None else _own_fault(client)
    if error.status == 403:
        return f"identity {_identity(client)} may not use {error.path}: {_why_not(client)}"
    if error.message == "key already exists" and _is_pending(client, error.path):
        return f"its deletion still waits: bring it back with `kes key undelete {_name(error.path)}`"
    if error.status == 404:
        return _of_unknown(error, client)
    if error.status in (502, 503, 504):
        return "the server runs but its key store does not answer: its log names the cause"
    return ""


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _is_pending(client: Client, path: str) -> bool:
    """Asks the server once more; False from upstream, which knows no waiting."""
    try:
        return _name(path) in client.pending_keys()
    except ClientError:
        return False


def _of_unknown(error: AnswerError, client: Client) -> str:
    if error.path.startswith("/v1/policy/"):
        return "`kes policy ls` lists the policies of the server"
    if error.path == "/v1/identity/self/describe":
        return f"identity {_identity(client)} is in no policy of the server"
    if error.path.startswith("/v1/identity/"):
        return "it is in no policy of the server; `kes identity ls` lists those that are"
    return ""


def _why_not(client: Client) -> str:
    """Asks the server once more, for the name of the policy."""
    try:
        policy = client.describe_self().get("policy")
        policy = policy.get("name") if isinstance(policy, dict) else policy  # some servers answer with the whole one
    except AnswerError as error:
        if error.status == 404 and error.from_kes:
            return "it is in no policy of the server"
        policy = None
    except ClientError:
        policy = None
    if policy:
        return f"its policy {policy!r} does not allow this path"
    return "it is in no policy of the server, or its policy does not allow this path"


def _identity(client: Client) -> str:
    from openkes.identity import identity_of_certificate  # noqa: PLC0415  # only a failure pays for it

    return "(none)" if client.credentials is None else identity_of_certificate(client.credentials.leaf())


def _own_fault(client: Client) -> str:
    """What is wrong with the client's own certificate, as far as one can see it from here; "" for nothing."""
    from datetime import UTC, datetime  # noqa: PLC0415

    from openkes.identity import is_ca, load_certificate  # noqa: PLC0415

    if client.credentials is None:
        return SET_IDENTITY
    leaf = client.credentials.leaf()
    certificate, now = load_certificate(leaf), datetime.now(UTC)
    if is_ca(leaf):
        return (
            "the client certificate is a CA's (CA:TRUE, as `openssl req -x509` makes by default): make one with "
            "`kes identity new --key FILE --cert FILE`, or add -addext basicConstraints=critical,CA:FALSE"
        )
    if certificate.not_valid_after_utc < now:
        return f"the client certificate expired on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC: renew it"
    if certificate.not_valid_before_utc > now:
        return f"the client certificate is not valid before {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
    return ""
