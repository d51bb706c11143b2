"""Trial: a backup of a working server, restored on a new host; and what upstream would read of the entries.

    python -m tests.trials.restore [--full]

The backup is taken while clients create and rotate. On the new host (another folder, another engine, sealed or not)
every ciphertext opens that was acknowledged before the backup began. Then the way down: an independent reader takes
upstream's four fields from each restored plain entry, and what the newest version encrypted must open with them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pyrage

from openkes import front
from openkes.client import AnswerError, Client
from openkes.crypto.aead import BY_NUMBER
from tests.servers import KES, clean_environment, running
from tests.trials.crossed import by_the_book
from tests.unit.test_entry import upstream_reads

CONTEXT = b'{"bucket":"bucket/object"}'
WRITERS = 2  # that go on during the backup


@dataclass(slots=True)
class Figures:
    done: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)

    def text(self) -> str:
        return ", ".join(f"{count:,} {what}" for what, count in self.done.items())


@dataclass(slots=True)
class Made:
    """A key with what it encrypted, the newest version's last."""

    name: str
    pairs: list[tuple[bytes, bytes]]
    hmac: bytes
    deleted: bool = False


def _store(folder: Path, sealed: bool) -> dict[str, object]:
    if not sealed:
        return {"fs": {"path": str(folder / "keys")}}
    (folder / "seal").touch(mode=0o600)
    (folder / "seal").write_text("5e" * 32)
    return {"fs": {"path": str(folder / "keys"), "seal": {"key": {"file": str(folder / "seal")}}}}


def _make(client: Client, number: int) -> list[Made]:
    """Of every third key a rotated one, of every tenth one whose deletion waits; both algorithms."""
    made = []
    for i in range(number):
        name = f"key-{i}"
        if i % 2:
            client.create_key(name)
        else:
            client.import_key(name, bytes([i % 256]) * 32, "ChaCha20" if i % 4 else "AES256")
        key = Made(name, [client.generate(name, CONTEXT)], client.hmac(name, b"message"))
        if i % 3 == 0:
            client.rotate_key(name)
            key.pairs.append(client.generate(name, CONTEXT))
        if i % 10 == 0:
            client.delete_key(name)
            key.deleted = True
        made.append(key)
    return made


def _kes(folder: Path, *arguments: str) -> None:
    done = subprocess.run(
        [*KES, *arguments], cwd=folder, env=clean_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"kes {' '.join(arguments)}: {done.stderr}"


def trial(number: int) -> Figures:
    figures = Figures()
    engines = ["engine", "python"] if front.have_engine() else ["python", "python"]
    identity = pyrage.x25519.Identity.generate()
    recipient = str(identity.to_public())
    for sealed_there in (False, True):
        with tempfile.TemporaryDirectory() as name:
            old, new = Path(name) / "old", Path(name) / "new"
            for folder in (old, new):
                folder.mkdir()
                (folder / "age.key").touch(mode=0o600)
                (folder / "age.key").write_text(f"{identity}\n")
            made = _back_up(figures, old, not sealed_there, engines[0], recipient, number)
            (old / "keys.backup").rename(new / "keys.backup")
            keystore = _store(new, sealed_there)
            (new / "store.yml").write_text(json.dumps({"version": "v1", "keystore": keystore}))
            _kes(new, "restore", "--config", "store.yml", "--identity", "age.key", "keys.backup")
            with (
                running(new, {"keystore": keystore}, environment={"OPENKES_ENGINE": engines[1]}) as server,
                server.client() as client,
            ):
                for key in made:
                    _check(figures, client, key)
            if not sealed_there:
                for key in made:
                    _downgrade(figures, new / "keys", key)
    return figures


def _back_up(figures: Figures, folder: Path, sealed: bool, engine: str, recipient: str, number: int) -> list[Made]:
    """What was acknowledged before the backup began."""
    keystore = _store(folder, sealed)
    with (
        running(folder, {"keystore": keystore}, environment={"OPENKES_ENGINE": engine}) as server,
        server.client() as client,
    ):
        made = _make(client, number)
        stop = threading.Event()
        ids = iter(range(1_000_000))

        def write() -> None:
            with server.client() as writer:
                while not stop.is_set():
                    name = f"during-{next(ids)}"
                    writer.create_key(name)
                    writer.rotate_key(name)
                    figures.done["keys made and rotated during a backup"] += 1

        writers = [threading.Thread(target=write) for _ in range(WRITERS)]
        for writer in writers:
            writer.start()
        try:
            _kes(folder, "backup", "--config", "config.yml", "--recipient", recipient, "keys.backup")
        finally:
            stop.set()
            for writer in writers:
                writer.join()
    figures.done["backups under load"] += 1
    return made


def _check(figures: Figures, client: Client, key: Made) -> None:
    try:
        if key.deleted:
            client.undelete_key(key.name)
            figures.done["undeleted on the new host"] += 1
        for plaintext, ciphertext in key.pairs:
            if client.decrypt(key.name, ciphertext, CONTEXT) != plaintext:
                figures.findings.append(f"{key.name}: a ciphertext opens to something else")
            figures.done["ciphertexts opened on the new host"] += 1
        if client.hmac(key.name, b"message") != key.hmac:
            figures.findings.append(f"{key.name}: another HMAC")
    except AnswerError as error:
        figures.findings.append(f"{key.name}: {error.method} {error.path}: {error.status} {error.message}")


def _downgrade(figures: Figures, store: Path, key: Made) -> None:
    fields = upstream_reads((store / key.name).read_bytes().strip())
    # The message CipherKey: field 1, 32 bytes; field 2, a number below 128.
    cipher_key = fields[1]
    raw, algorithm = cipher_key[2:34], BY_NUMBER[cipher_key[35]]
    plaintext, ciphertext = key.pairs[-1]
    if by_the_book(algorithm, raw, ciphertext, CONTEXT) != plaintext:
        figures.findings.append(f"{key.name}: upstream would not open its newest ciphertext")
    if not {1, 2, 3} <= set(fields):
        figures.findings.append(f"{key.name}: upstream would miss fields: {sorted(fields)}")
    figures.done["entries read as upstream reads them"] += 1


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.trials.restore")
    parser.add_argument("--full", action="store_true", help="1,000 keys")
    asked = parser.parse_args()
    begin = time.monotonic()
    figures = trial(1000 if asked.full else 40)
    print(f"{figures.text()}; {len(figures.findings)} findings, {time.monotonic() - begin:.0f} s")
    print("\n".join(f"FINDING {finding}" for finding in figures.findings[:100]))
    raise SystemExit(bool(figures.findings))


if __name__ == "__main__":
    main()
