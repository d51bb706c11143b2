"""`kes migrate` from a folder into a key store and out again."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from openkes.crypto import entry
from openkes.crypto.aead import Algorithm
from openkes.crypto.entry import Key
from openkes.keystore.fs import FileStore
from tests.servers import KES, clean_environment


def kes(*arguments: str) -> subprocess.CompletedProcess[str]:
    """AssertionError with what it said when it fails."""
    done = subprocess.run(
        [*KES, *arguments], check=False, capture_output=True, text=True, timeout=60, env=clean_environment()
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def there_and_back(folder: Path, keystore: dict[str, Any]) -> None:
    """Three keys, one of them as upstream writes it, into `keystore` (a section) and out again."""
    first, last = folder / "first", folder / "last"
    store = FileStore(first)
    for i, name in enumerate(("a", "my-master-key", "z_9")):
        key = Key(Algorithm.AES256, bytes([i]) * 32, bytes([i + 1]) * 32, 1, "me")
        store.create(name, entry.encode(key, name, tagged=i > 0))
    files = {"first": {"fs": {"path": str(first)}}, "there": keystore, "last": {"fs": {"path": str(last)}}}
    for name, section in files.items():
        (folder / f"{name}.yml").write_text(json.dumps({"keystore": section}))
    for source, target in (("first", "there"), ("there", "last")):
        kes("migrate", "--from", str(folder / f"{source}.yml"), "--to", str(folder / f"{target}.yml"))
    moved = FileStore(last)
    assert moved.list("", 10).names == ["a", "my-master-key", "z_9"]
    assert {name: moved.get(name) for name in ("a", "my-master-key", "z_9")} == {
        name: store.get(name) for name in ("a", "my-master-key", "z_9")
    }
