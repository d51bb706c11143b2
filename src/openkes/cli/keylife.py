"""`kes key rotate|undelete|pending`: what happens to a key between its making and its end."""

from __future__ import annotations

import click

from openkes.cli import complete, keyname, output
from openkes.cli.options import Connection, connected


@click.command()
@click.argument("name", callback=keyname.check, shell_complete=complete.keys)
@connected
def rotate(name: str, connection: Connection) -> None:
    """Give a key a new version. Every older ciphertext still opens.

    New calls use the new version; the older ones stay in the entry. HMACs do not change.

    \b
    Example:
      kes key rotate my-master-key
    """
    with connection.client() as client:
        version = client.rotate_key(name)
    output.talk(f"rotated key {name}: version {version} is used from now on, older ciphertexts still open")


@click.command()
@click.argument("name", callback=keyname.check)
@connected
def undelete(name: str, connection: Connection) -> None:
    """Take back a deletion that still waits: the same key, with all its versions.

    \b
    Example:
      kes key pending
      kes key undelete my-key
    """
    with connection.client() as client:
        client.undelete_key(name)
    output.talk(f"undeleted key {name}")


@click.command()
@click.argument("prefix", default="")
@click.option("--json", "json_wanted", is_flag=True, help="Print JSON.")
@connected
def pending(prefix: str, json_wanted: bool, connection: Connection) -> None:
    """List deleted keys that are kept for a while, and when each is gone for good.

    \b
    Example:
      kes key pending
    """
    with connection.client() as client:
        found = client.pending_keys(prefix.removesuffix("*"))
    if json_wanted:
        output.as_json({"names": found})
    elif found:
        output.table((name, f"gone for good at {facts['purge_at']}") for name, facts in found.items())
    else:
        output.talk("no deletion waits")
