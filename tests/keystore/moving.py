"""`kes migrate` from a folder into a key store and out again."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from openkes.crypto import entry
from openkes.crypto.aead import Algorithm
from openkes.crypto.entry import Key
from openkes.keystore.fs import FileStore
from tests.servers import KES, clean_environment


def kes(*arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """AssertionError with what it said when it fails."""
    variables = {**clean_environment(), **(environment or {})}
    done = subprocess.run([*KES, *arguments], check=False, capture_output=True, text=True, timeout=60, env=variables)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def there_and_back(
    folder: Path,
    keystore: dict[str, Any],
    environment: Mapping[str, str] | None = None,
    names: Sequence[str] = ("a", "my-master-key", "z_9"),
) -> None:
    """Three keys, one of them as upstream writes it, into `keystore` (a section) and out again. `names` are sorted."""
    first, last = folder / "first", folder / "last"
    store = FileStore(first)
    for i, name in enumerate(names):
        key = Key(Algorithm.AES256, bytes([i]) * 32, bytes([i + 1]) * 32, 1, "me")
        store.create(name, entry.encode(key, name, tagged=i > 0))
    files = {"first": {"fs": {"path": str(first)}}, "there": keystore, "last": {"fs": {"path": str(last)}}}
    for name, section in files.items():
        (folder / f"{name}.yml").write_text(json.dumps({"keystore": section}))
    for source, target in (("first", "there"), ("there", "last")):
        files_of = ("--from", str(folder / f"{source}.yml"), "--to", str(folder / f"{target}.yml"))
        kes("migrate", *files_of, environment=environment)
    moved = FileStore(last)
    assert moved.list("", 10).names == list(names)
    assert {name: moved.get(name) for name in names} == {name: store.get(name) for name in names}
