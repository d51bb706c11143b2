"""`kes identity info|ls`: whom a server knows."""

from __future__ import annotations

from typing import Any

import click

from openkes.cli import complete, output
from openkes.cli.options import Connection, connected
from openkes.cli.policy import rules
from openkes.errors import OperatorError

_HEX = frozenset("0123456789abcdef")
_JSON = click.option("--json", "json_wanted", is_flag=True, help="Print JSON.")


@click.command()
@click.argument("identity", default="", shell_complete=complete.identities)
@_JSON
@connected
def info(identity: str, json_wanted: bool, connection: Connection) -> None:
    """Show what an identity may do. Without IDENTITY: whom the server takes you for, and what you may do.

    Everybody may ask about themselves.

    \b
    Examples:
      kes identity info
      kes identity info $(kes identity of minio.cert)
    """
    if identity:
        identity = _checked(identity)
    with connection.client() as client:
        answer = client.describe_identity(identity) if identity else client.describe_self()
    if json_wanted:
        output.as_json(answer)
        return
    output.table(_rows({"identity": identity, **answer}, of_self=not identity))


@click.command()
@click.argument("prefix", default="", shell_complete=complete.identities)
@_JSON
@connected
def ls(prefix: str, json_wanted: bool, connection: Connection) -> None:
    """List the identities that the server knows, all or those that begin with PREFIX.

    \b
    Example:
      kes identity ls
    """
    with connection.client() as client:
        found = client.list_identities(prefix.removesuffix("*").lower())
    output.names("identities", found, json_wanted)


def _checked(text: str) -> str:
    """An identity, lower case. What is none is not sent, nor repeated: it may be an API key."""
    if len(text) != 64 or not _HEX.issuperset(text.lower()):
        raise OperatorError(
            "this is not an identity: 64 hex digits", "of a certificate: kes identity info $(kes identity of FILE)"
        )
    return text.lower()


def _rows(answer: dict[str, Any], of_self: bool) -> list[tuple[str, str]]:
    rows = [("Identity", str(answer["identity"]))]
    policy = answer.get("policy")
    if isinstance(
        policy, dict
    ):  # some servers answer with the whole policy, some with its name and the rules beside it
        answer = {**answer, **policy}
        policy = policy.get("name")
    if answer.get("admin"):
        rows.append(("Admin", "yes: may do everything"))
    elif policy:
        rows.append(("Policy", str(policy)))
        # Of somebody else the server tells no rules.
        rows += rules(answer) if of_self else []
    labels = (("In effect since", "created_at"), ("Made by", "created_by"))
    return rows + [(label, str(answer[field])) for label, field in labels if answer.get(field)]
