"""`kes key …`: life and death of keys."""

from __future__ import annotations

import base64
import binascii
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from openkes.cli import complete, keyname, output
from openkes.cli.crypt import decrypt, dek, encrypt, hmac
from openkes.cli.keylife import pending, rotate, undelete
from openkes.cli.options import Connection, connected
from openkes.client import Client, ClientError
from openkes.errors import OperatorError

KEY_SIZE = 32
MAX_TEXT = 1024  # a key is 44 characters; whatever is longer is not one


@click.group()
def key() -> None:
    """Create, import, inspect and use keys.

    A key's name has 1 to 80 of the characters 0-9 A-Z a-z _ - and no - at either end.
    """


for _command in (encrypt, decrypt, dek, hmac, rotate, undelete, pending):
    key.add_command(_command)


@key.command()
@click.argument("name", nargs=-1, required=True, callback=keyname.check)
@connected
def create(name: tuple[str, ...], connection: Connection) -> None:
    """Create new random keys. A key that exists is never replaced.

    \b
    Example:
      kes key create my-master-key
      kes key create -k my-master-key     without verifying the server's certificate
    """
    with connection.client() as client:
        for done, one in enumerate(name):
            with _telling_the_rest(name, done):
                client.create_key(one)
            output.talk(f"created key {one}")


@key.command("import")
@click.argument("name", callback=keyname.check)
@click.argument("key_text", metavar="[KEY]", required=False)
@click.option(
    "--cipher",
    type=click.Choice(["AES256", "ChaCha20"], case_sensitive=False),
    default="AES256",
    show_default=True,
    metavar="AES256|ChaCha20",
    help="What the key is for.",
)
@click.option("--random", "random_key", is_flag=True, help="Make the key here, at random.")
@connected
def import_(name: str, key_text: str | None, cipher: str, random_key: bool, connection: Connection) -> None:
    """Import a key: base64 of 32 bytes.

    Every user of this machine can see the arguments of a command, so rather give the key on standard input:
    KEY is then - or left out. On a terminal, without KEY, a random key is made.

    \b
    Example:
      kes key import my-key < key.b64
    """
    if random_key and key_text is not None:
        raise click.UsageError("give KEY or --random, not both")
    random_key = random_key or (key_text is None and sys.stdin.isatty())
    if random_key:
        value = os.urandom(KEY_SIZE)
    else:
        value = _parse_key(sys.stdin.read(MAX_TEXT) if key_text in (None, "-") else str(key_text))
    with connection.client() as client:
        client.import_key(name, value, cipher)
    output.talk(f"imported key {name}" + (", made here at random" if random_key else ""))


@key.command()
@click.argument("name", callback=keyname.check, shell_complete=complete.keys)
@click.option("--json", "json_wanted", is_flag=True, help="Print JSON.")
@connected
def info(name: str, json_wanted: bool, connection: Connection) -> None:
    """Show a key's algorithm, age and maker.

    \b
    Example:
      kes key info my-master-key
    """
    with connection.client() as client:
        answer = client.describe_key(name)
    if json_wanted:
        output.as_json(answer)
        return
    labels = (("Name", "name"), ("Algorithm", "algorithm"), ("Created", "created_at"), ("Created by", "created_by"))
    rows = [(label, str(answer[field])) for label, field in labels if answer.get(field)]
    rows += [(f"Version {v['version']}", f"made {v['created_at']}") for v in answer.get("versions", ())]
    output.table(rows)


@key.command()
@click.argument("prefix", default="", shell_complete=complete.keys)
@click.option("-l", "--long", is_flag=True, help="The number of each key's newest version, too.")
@click.option("--json", "json_wanted", is_flag=True, help="Print JSON.")
@connected
def ls(prefix: str, long: bool, json_wanted: bool, connection: Connection) -> None:
    """List the names of keys, all or those that begin with PREFIX.

    \b
    Examples:
      kes key ls
      kes key ls my-app --json
    """
    prefix = prefix.removesuffix("*")
    with connection.client() as client:
        if not long:
            output.names("names", client.list_keys(prefix), json_wanted)
            return
        versions = client.list_key_versions(prefix)
    if json_wanted:
        output.as_json({"names": list(versions), "versions": versions})
    elif versions:
        output.table((name, f"version {version}") for name, version in versions.items())


@key.command()
@click.argument("name", nargs=-1, required=True, callback=keyname.check, shell_complete=complete.keys)
@click.option("-f", "--force", is_flag=True, help="Do not ask.")
@connected
def rm(name: tuple[str, ...], force: bool, connection: Connection) -> None:
    """Delete keys. What they protect cannot be read any more, by anybody.

    The server keeps a deleted key for a while (deletion.wait in its configuration), and `kes key undelete` brings it
    back; afterwards it is gone for good. On a terminal it asks first.

    \b
    Examples:
      kes key rm old-key
      kes key pending
    """
    if not force and sys.stdin.isatty():
        question = f"Delete {', '.join(name)}? What was encrypted with it cannot be read any more."
        if not click.confirm(question, err=True):
            raise OperatorError("nothing was deleted")
    with connection.client() as client:
        for done, one in enumerate(name):
            with _telling_the_rest(name, done):
                client.delete_key(one)
            output.talk(f"deleted key {one}")
        _tell_what_waits(client, name)


def _tell_what_waits(client: Client, deleted: tuple[str, ...]) -> None:
    try:
        waiting = client.pending_keys()
    except ClientError:
        return  # upstream knows no waiting, and not everybody who may delete may list
    for one in deleted:
        if one in waiting:
            output.talk(f"it is kept until {waiting[one]['purge_at']}; to take it back: kes key undelete {one}")


@contextmanager
def _telling_the_rest(wanted: tuple[str, ...], done: int) -> Iterator[None]:
    """One of several names failed: say which, and what was not tried."""
    try:
        yield
    except ClientError:
        if len(wanted) > 1:
            rest = ", ".join(wanted[done + 1 :])
            output.talk(f"failed at key {wanted[done]}" + (f"; not tried: {rest}" if rest else ""))
        raise


def _parse_key(text: str) -> bytes:
    text = text.strip()
    if not text:
        raise OperatorError("no key came on standard input", "for a random key pass --random")
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        # the text is not repeated: it may be a key with a slip in it
        raise OperatorError(
            "the key is not valid base64", "a key is 44 characters, as of: head -c 32 /dev/urandom | base64"
        ) from None
    if len(value) != KEY_SIZE:
        raise OperatorError(f"the key has {len(value)} bytes instead of {KEY_SIZE}")
    return value
