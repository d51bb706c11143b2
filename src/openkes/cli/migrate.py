"""`kes migrate`: the command line of copying keys. The work is done by `openkes.keystore.migration`."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import click

from openkes.cli import output
from openkes.cli.paths import FILE
from openkes.config.load import load_lasting
from openkes.config.stores import open_store
from openkes.errors import OperatorError
from openkes.keystore import KeyStore, Unreachable
from openkes.keystore.fs import FileStore
from openkes.keystore.migration import Clash, Moved, Result, matching, migrate_key


@click.command()
@click.argument("pattern", default="*")
@click.option("--from", "source_file", type=FILE, metavar="FILE", required=True, help="Configuration of the old store.")
@click.option("--to", "target_file", type=FILE, metavar="FILE", required=True, help="Configuration of the new store.")
@click.option("--merge", is_flag=True, help="Keep keys that the new store has already, and copy the rest.")
@click.option("-f", "--force", is_flag=True, help="Replace keys that the new store has with another content.")
@click.option("--saved", type=FILE, metavar="FOLDER", help="Where -f saves replaced keys.  [default: ./replaced-TIME]")
@click.option("-n", "--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--json", "json_wanted", is_flag=True, help="Print a JSON object for each key.")
def migrate(
    pattern: str,
    source_file: Path,
    target_file: Path,
    merge: bool,
    force: bool,
    saved: Path | None,
    dry_run: bool,
    json_wanted: bool,
) -> None:
    """Copy the keys whose names match PATTERN, all without one, from one key store to another.

    Of the two configuration files only the section `keystore` is read. PATTERN is a name, or the beginning of names
    and a *. Every copied key is read back and compared. The old store is not changed, and a second run copies what
    is missing.

    A key that the new store has already, with another content, is an error for that key, unless --merge or -f says
    what to do. What was encrypted with a replaced key cannot be read without it, so -f first saves it: FOLDER is
    itself a key store of kind fs.

    The exit code is 1 when a key was not copied.

    \b
    Examples:
      kes migrate --from fs.yml --to vault.yml
      kes migrate --from fs.yml --to vault.yml --dry-run 'my-app*'
    """
    if merge and force:
        raise click.UsageError("give --merge or -f, not both")
    clash = Clash.REPLACE if force else Clash.KEEP if merge else Clash.FAIL
    old, new = load_lasting(source_file), load_lasting(target_file)
    if old.place() == new.place():
        raise OperatorError(f"{source_file} and {target_file} name the same key store")
    for file, settings in ((source_file, old), (target_file, new)):
        # Opening would make the folder: of the old store an empty one, and a dry run makes nothing.
        if (settings is old or dry_run) and (absent := settings.absent()):
            raise OperatorError(f"{file}: {absent}", settings.hint)
    folder = saved or Path(f"replaced-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
    with closing(open_store(old, initialise=False)) as source, closing(open_store(new, not dry_run)) as target:
        failed = _copy(source, target, pattern, clash, None if dry_run else _Saved(folder), json_wanted)
    if failed:
        raise OperatorError(
            "not every key was copied", "mend what is said of each; a second run copies what is missing"
        )


def _copy(
    source: KeyStore, target: KeyStore, pattern: str, clash: Clash, saved: _Saved | None, json_wanted: bool
) -> bool:
    """Whether any failed."""
    try:
        found = matching(source, pattern)
    except Unreachable as error:
        raise OperatorError(f"cannot list the keys to copy: {error}") from None
    if not found:
        raise OperatorError(
            f"no key of the old store matches {pattern}", "is it the right store, and the right pattern?"
        )
    counts: Counter[Result] = Counter()
    for name in found:
        moved = migrate_key(source, target, name, clash, saved)
        counts[moved.result] += 1
        _report(moved, saved is None, json_wanted)
    output.talk(("would be: " if saved is None else "") + ", ".join(f"{n} {result}" for result, n in counts.items()))
    if saved is not None and saved.used:
        output.hint(f"replaced keys are saved in {saved.path}, unprotected: move them to a safe place, or delete them")
    return counts[Result.FAILED] > 0


def _report(moved: Moved, dry_run: bool, json_wanted: bool) -> None:
    if json_wanted:
        document = {"name": moved.name, "result": moved.result, "dry_run": dry_run, "detail": moved.detail}
        output.as_json({name: value for name, value in document.items() if value})
    else:
        output.data(f"{moved.result:<8}  {moved.name}" + (f"  ({moved.detail})" if moved.detail else ""))


class _Saved:
    """Where replaced entries go: a folder that is made, 0700, when the first of them comes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._store: FileStore | None = None

    @property
    def used(self) -> bool:
        return self._store is not None

    def create(self, name: str, value: bytes) -> None:
        if self._store is None:
            self._store = FileStore(self.path)
        self._store.create(name, value)

    def get(self, name: str) -> bytes:
        assert self._store is not None  # noqa: S101  # `create` comes first
        return self._store.get(name)
