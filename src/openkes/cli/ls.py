"""`kes ls`: names of keys, policies or identities."""

from __future__ import annotations

import click

from openkes.cli import complete, output
from openkes.cli.options import Connection, connected


def _names(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    wanted = "policies" if context.params.get("policies") else "keys"
    return getattr(complete, "identities" if context.params.get("identities") else wanted)(  # type: ignore[no-any-return]
        context, parameter, incomplete
    )


@click.command()
@click.argument("prefix", default="", shell_complete=_names)
@click.option("-i", "--identities", is_flag=True, help="Identities instead of keys.")
@click.option("-p", "--policies", is_flag=True, help="Policies instead of keys.")
@click.option("--json", "json_wanted", is_flag=True, help="Print JSON.")
@connected
def ls(prefix: str, identities: bool, policies: bool, json_wanted: bool, connection: Connection) -> None:
    """List the names of keys, all or those that begin with PREFIX.

    \b
    Examples:
      kes ls
      kes ls my-app
      kes ls -p
    """
    if identities and policies:
        raise click.UsageError("give -i or -p, not both")
    prefix = prefix.removesuffix("*")
    with connection.client() as client:
        if identities:
            found = client.list_identities(prefix.lower())
        else:
            found = client.list_policies(prefix) if policies else client.list_keys(prefix)
    output.names("identities" if identities else "names", found, json_wanted)
