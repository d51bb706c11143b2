"""`kes restore`: the command line. The work is done by `openkes.backup.restore`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from openkes.cli import output
from openkes.cli.backup import read
from openkes.cli.paths import FILE
from openkes.errors import OperatorError

if TYPE_CHECKING:
    from openkes.backup.restore import Plan
    from openkes.config.schema import KeyStoreSettings
    from openkes.keystore import KeyStore

_SHOWN = 10  # names in an error; all of them would push its beginning off the screen


@click.command()
@click.option("--config", "config_file", type=FILE, metavar="FILE", required=True, help="Configuration of the store.")
@click.option("--identity", type=FILE, metavar="FILE", help="A recipient's private key, as age-keygen makes it.")
@click.option("--passphrase-file", type=FILE, metavar="FILE", help="The passphrase is the first line of FILE.")
@click.option("--merge", is_flag=True, help="Into a store that has other keys too.")
@click.option("-n", "--dry-run", is_flag=True, help="Only say what would be done.")
@click.argument("file", metavar="BACKUP", type=FILE)
@click.argument("names", metavar="[NAME]...", nargs=-1)
def restore(
    config_file: Path,
    identity: Path | None,
    passphrase_file: Path | None,
    merge: bool,
    dry_run: bool,
    file: Path,
    names: tuple[str, ...],
) -> None:
    """Write the keys of a backup into a key store: all of them, or those named NAME.

    Of the configuration only the section `keystore` is read, and the store may be of another kind than the one the
    backup was made of. The server may run or not.

    A key that the store has already is never overwritten: with the same content it is left as it is, with another
    content nothing at all is written. Every key is read back and compared. An interrupted restore can be repeated.
    A store with keys that are not in the backup may be the wrong one, and needs --merge.

    \b
    Examples:
      kes restore --config config.yml --identity age.key keys.backup
      kes restore --config config.yml --passphrase-file passphrase --merge keys.backup my-key
    """
    from openkes.config.load import load_lasting  # noqa: PLC0415

    found = read(file, identity, passphrase_file)
    if absent := [name for name in names if name not in found.entries]:
        raise OperatorError(f"the backup has no key {_listed(absent)}", "kes backup verify --names lists what it has")
    entries = {name: found.entries[name] for name in names} if names else found.entries
    settings = load_lasting(config_file)
    new = bool(settings.absent())
    with closing(_open(settings, new, dry_run)) as store:
        plan = _plan(store, entries, merge)
        _carry_out(store, entries, plan, dry_run)
    if new and not dry_run and os.geteuid() == 0:
        # Into a folder that is there root writes for its owner.
        output.hint("the folder was made by root: give it to the server's user (chown -R) before the server starts")


def _open(settings: KeyStoreSettings, new: bool, dry_run: bool) -> KeyStore:
    from openkes.config.stores import open_store  # noqa: PLC0415
    from openkes.keystore.memory import MemoryStore  # noqa: PLC0415

    if new and dry_run:
        return MemoryStore()  # as empty as the folder that would be made
    return open_store(settings, initialise=not dry_run)


def _plan(store: KeyStore, entries: Mapping[str, bytes], merge: bool) -> Plan:
    from openkes.backup.restore import plan  # noqa: PLC0415
    from openkes.keystore import Unreachable  # noqa: PLC0415

    try:
        made = plan(store, entries)
    except Unreachable as error:
        raise OperatorError(f"cannot read the key store: {error}") from None
    if made.different:
        raise OperatorError(
            f"nothing was written: the key store has another content under {_listed(made.different)}",
            "what is there is never overwritten: restore into a new store, or only what is missing, by name; a damaged "
            "entry must be moved away first",
        )
    if made.others and not merge:
        raise OperatorError(
            f"nothing was written: the key store has keys that are not restored: {_listed(made.others)}",
            "is it the right store? Then pass --merge",
        )
    return made


def _carry_out(store: KeyStore, entries: Mapping[str, bytes], plan: Plan, dry_run: bool) -> None:
    from openkes.backup.restore import write  # noqa: PLC0415

    for name in plan.same:
        output.data(f"same      {name}")
    for name in plan.missing if dry_run else write(store, entries, plan.missing):
        output.data(f"restored  {name}")
    output.talk(f"{'would be: ' if dry_run else ''}{len(plan.missing)} restored, {len(plan.same)} same")


def _listed(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
