"""`kes policy …`: what the server's configuration allows whom. Policies are made in the configuration only."""

from __future__ import annotations

from typing import Any

import click

from openkes.cli import complete, output
from openkes.cli.options import Connection, connected

_NAME = click.argument("name", shell_complete=complete.policies)
_JSON = click.option("--json", "json_wanted", is_flag=True, help="Print JSON.")


@click.group()
def policy() -> None:
    """Show policies: which paths of the API their identities may use.

    Policies stand in the server's configuration; a reload (SIGHUP) puts changes into effect.
    """


@policy.command()
@_NAME
@_JSON
@connected
def info(name: str, json_wanted: bool, connection: Connection) -> None:
    """Show since when a policy is in effect, and who made it.

    \b
    Example:
      kes policy info minio
    """
    with connection.client() as client:
        answer = client.describe_policy(name)
    if json_wanted:
        output.as_json(answer)
    else:
        output.table(made({"name": name, **answer}))


@policy.command()
@_NAME
@_JSON
@connected
def show(name: str, json_wanted: bool, connection: Connection) -> None:
    """Show the rules of a policy. A deny rule wins over every allow rule.

    \b
    Examples:
      kes policy show minio
      kes policy show minio --json
    """
    with connection.client() as client:
        answer = client.read_policy(name)
    if json_wanted:
        output.as_json(answer)
    else:
        output.table(rules(answer))


@policy.command()
@click.argument("prefix", default="", shell_complete=complete.policies)
@_JSON
@connected
def ls(prefix: str, json_wanted: bool, connection: Connection) -> None:
    """List the names of policies, all or those that begin with PREFIX.

    \b
    Example:
      kes policy ls
    """
    with connection.client() as client:
        found = client.list_policies(prefix.removesuffix("*"))
    output.names("names", found, json_wanted)


def made(answer: dict[str, Any]) -> list[tuple[str, str]]:
    """The rows of what is known of a policy's making."""
    labels = (("Name", "name"), ("In effect since", "created_at"), ("Made by", "created_by"))
    return [(label, str(answer[field])) for label, field in labels if answer.get(field)]


def rules(answer: dict[str, Any]) -> list[tuple[str, str]]:
    """A row for each rule, the kind named once."""
    rows = []
    for label, field in (("Allow", "allow"), ("Deny", "deny")):
        paths = sorted(answer.get(field) or {})
        rows += [(label if i == 0 else "", path) for i, path in enumerate(paths)]
    return rows or [("Allow", "nothing")]
