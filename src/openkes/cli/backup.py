"""`kes backup` and `kes backup verify`: the command lines. The work is done by `openkes.backup`."""

from __future__ import annotations

import os
import socket
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from openkes import __version__
from openkes.cli import output
from openkes.cli.files import PRIVATE, write_new
from openkes.cli.paths import FILE
from openkes.errors import OperatorError

if TYPE_CHECKING:
    from openkes.backup.age import Identities, Passphrase
    from openkes.backup.collect import Collected
    from openkes.backup.document import Backup
    from openkes.config.schema import KeyStoreSettings


class _CreateByDefault(click.Group):
    """`kes backup OUT` is `kes backup create OUT`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, *ctx.help_option_names):
            args = ["create", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_CreateByDefault)
def backup() -> None:
    """Write an encrypted backup of a key store, or check one.

    `kes backup --config FILE … OUT` is short for `kes backup create --config FILE … OUT`. `kes restore` reads it.
    """


@backup.command()
@click.option("--config", "config_file", type=FILE, metavar="FILE", required=True, help="Configuration of the store.")
@click.option("--recipient", "recipients", multiple=True, metavar="AGE1…", help="Who may open it; may be repeated.")
@click.option("--passphrase-file", type=FILE, metavar="FILE", help="Encrypt with the first line of FILE instead.")
@click.option("--skip-damaged", is_flag=True, help="Leave out entries that cannot be read, rather than fail.")
@click.option("-f", "--force", is_flag=True, help="Overwrite OUT if it exists.")
@click.argument("out", type=FILE)
def create(
    config_file: Path,
    recipients: tuple[str, ...],
    passphrase_file: Path | None,
    skip_damaged: bool,
    force: bool,
    out: Path,
) -> None:
    """Write every key of a key store to the file OUT, encrypted, mode 0600.

    Of the configuration only the section `keystore` is read; the server may run or not. HMAC keys, older versions and
    waiting deletions are included. The file is in the age format. With a passphrase
    it is decrypted again and compared before it is written; for recipients only the public key is here, so its
    content is checked before it is encrypted. The file is read back and compared byte for byte.

    \b
    Examples:
      kes backup --config config.yml --recipient age1… keys.backup
      kes backup --config config.yml --passphrase-file passphrase keys.backup
    """
    from openkes.backup import age, document  # noqa: PLC0415
    from openkes.config.load import load_lasting  # noqa: PLC0415

    if bool(recipients) == (passphrase_file is not None):
        raise click.UsageError("give --recipient or --passphrase-file: a backup is never written in the open")
    if os.path.lexists(out) and not force:
        raise OperatorError(f"{out} exists already and is not overwritten", "choose another name, or pass -f")
    passphrase = _passphrase(passphrase_file) if passphrase_file else None
    settings = load_lasting(config_file)
    found = _collect(settings)
    _report_damaged(found, skip_damaged)
    made = document.make(
        found.entries,
        created_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        source=f"{settings.describe()} on {socket.gethostname()}",
        made_by=f"openkes {__version__}",
    )
    content = document.encode(made)
    _same(document.decode(content), made)
    sealed = age.encrypt(content, passphrase or age.Recipients(recipients))
    if passphrase:
        # Before it is written: with -f there may be a good one in its place.
        _same(document.decode(age.decrypt(sealed, passphrase, str(out))), made)
    write_new([(out, sealed, PRIVATE)], replace=force)
    if out.read_bytes() != sealed:
        raise OperatorError(f"{out} could not be read back as it was written", "check the disk, and write it elsewhere")
    count = f"{len(made.entries)} keys" if len(made.entries) != 1 else "1 key"
    if passphrase:
        output.talk(f"backup of {count} in {out}: decrypted and compared, written, read back")
    else:
        output.talk(f"backup of {count} in {out}: checked, encrypted, written, read back")
        output.hint(f"only a recipient can decrypt it: try once with kes backup verify --identity FILE {out}")


@backup.command()
@click.option("--identity", type=FILE, metavar="FILE", help="A recipient's private key, as age-keygen makes it.")
@click.option("--passphrase-file", type=FILE, metavar="FILE", help="The passphrase is the first line of FILE.")
@click.option("--names", is_flag=True, help="Print the names of the keys too.")
@click.argument("file", metavar="BACKUP", type=FILE)
def verify(identity: Path | None, passphrase_file: Path | None, names: bool, file: Path) -> None:
    """Decrypt a backup, check that it is whole, and that a server can use every key in it. Writes nothing.

    \b
    Example:
      kes backup verify --identity age.key keys.backup
    """
    from openkes.backup.collect import check  # noqa: PLC0415
    from openkes.crypto.malformed import MalformedEntry  # noqa: PLC0415

    found = read(file, identity, passphrase_file)
    for name, value in found.entries.items():
        try:
            check(name, value)
        except MalformedEntry as error:
            raise OperatorError(f"{file}: the entry of {name} is malformed: {error}") from None
    header = found.header
    output.table(
        [("Created", header.created_at), ("Of", header.source), ("By", header.made_by), ("Keys", str(header.count))]
    )
    if names:
        output.data("")
        for name in found.entries:
            output.data(name)
    output.talk(f"{file}: whole, and every key in it can be used")


def read(file: Path, identity: Path | None, passphrase_file: Path | None) -> Backup:
    """A backup, decrypted and found whole. Usage error unless there is one key to it."""
    from openkes.backup import age, document  # noqa: PLC0415
    from openkes.config.secret_files import read_private  # noqa: PLC0415

    if (identity is None) == (passphrase_file is None):
        raise click.UsageError("give --identity or --passphrase-file, whichever the backup was made for")
    key: Passphrase | Identities
    if identity is not None:
        key = age.identities(read_private(identity, str(identity)), str(identity))
    else:
        assert passphrase_file is not None  # noqa: S101  # one of them is given
        key = _passphrase(passphrase_file)
    try:
        data = file.read_bytes()
    except OSError as error:
        raise OperatorError(f"cannot read {file}: {error.strerror}") from None
    try:
        return document.decode(age.decrypt(data, key, str(file)))
    except document.BrokenBackup as error:
        raise OperatorError(f"{file} is no whole backup: {error}", "take another one; nothing was changed") from None


def _passphrase(file: Path) -> Passphrase:
    from openkes.backup import age  # noqa: PLC0415
    from openkes.config.secret_files import first_line, read_private  # noqa: PLC0415

    try:
        return age.Passphrase(first_line(read_private(file, str(file)), str(file)).decode())
    except UnicodeDecodeError:
        raise OperatorError(f"the first line of {file} is not UTF-8 text", "write a passphrase there") from None


def _collect(settings: KeyStoreSettings) -> Collected:
    from openkes.backup.collect import collect  # noqa: PLC0415
    from openkes.config.stores import open_store  # noqa: PLC0415
    from openkes.keystore import Unreachable  # noqa: PLC0415

    if absent := settings.absent():
        # Opening would make it: the backup of a store that is gone must not look like that of an empty one.
        raise OperatorError(absent, settings.hint)
    with closing(open_store(settings, initialise=False)) as store:
        try:
            found = collect(store)
        except Unreachable as error:
            raise OperatorError(f"cannot read the key store: {error}") from None
    if not found.entries and not found.damaged:
        raise OperatorError("the key store has no keys: there is nothing to back up", "is it the right one?")
    return found


def _report_damaged(found: Collected, skip: bool) -> None:
    for name, why in found.damaged.items():
        output.talk(f"kes: {'warning: left out' if skip else 'damaged'}: {name}: {why}")
    if found.damaged and not skip:
        raise OperatorError(
            f"{len(found.damaged)} of the keys cannot be read, and no backup was written",
            "restore them from an older backup first, or leave them out with --skip-damaged",
        )


def _same(got: Backup, wanted: Backup) -> None:
    if got != wanted:
        raise OperatorError("the backup does not hold what was put into it: nothing was written", "check the memory")
