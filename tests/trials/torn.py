"""Trial: every prefix and every flipped bit of a stored entry, in the store of a running server.

    python -m tests.trials.torn [--full]

The server must say that this key is malformed (500), refuse to make a new one under the name, serve the other key
meanwhile, leave the file as it is, and serve the key again once the file is restored. Keys are not cached here, so
each call reads the file. Plain, rotated, waiting for deletion, and sealed; the short form takes a part of the bits.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from openkes.client import AnswerError, Client
from tests.servers import running

UNCACHED = {"expiry": {"any": "0s", "unused": "0s"}}
CONTEXT = b"context"


@dataclass(slots=True)
class Figures:
    faults: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)

    def text(self) -> str:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in self.faults.items())
        return f"{self.faults.total():,} faults ({kinds}), {len(self.findings)} findings"


def faults(whole: bytes, step: int) -> Iterator[tuple[str, bytes]]:
    """Every `step`th prefix and flip, the first and the last ones always. `step` 1: all."""
    for length in {*range(0, len(whole), step), *range(min(3, len(whole))), len(whole) - 1}:
        yield "prefixes", whole[:length]
    bits = len(whole) * 8
    for bit in {*range(0, bits, step), *range(bits - 16, bits)}:
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        yield "flips", bytes(flipped)


class Torn:
    """One key of a running server, and a healthy one beside it."""

    def __init__(self, client: Client, store: Path, figures: Figures, kind: str) -> None:
        self._client, self._figures, self._kind = client, figures, kind
        self._name, self._good = f"torn-{kind}", f"good-{kind}"
        for name in (self._name, self._good):
            client.create_key(name)
        self._file = store / self._name
        self._pair = client.generate(self._name, CONTEXT)
        self._good_pair = client.generate(self._good, CONTEXT)
        if kind == "rotated":
            client.rotate_key(self._name)
        if kind == "pending":
            client.delete_key(self._name)

    def run(self, step: int) -> None:
        whole = self._file.read_bytes()
        for number, (fault, content) in enumerate(faults(whole, step)):
            self._file.write_bytes(content)
            where = f"{self._kind}, {fault} number {number}"
            self._check(where, content, thorough=number % 16 == 0)
            self._figures.faults[f"{self._kind} {fault}"] += 1
        self._file.write_bytes(whole)
        if self._kind == "pending":
            self._client.undelete_key(self._name)
        if self._client.decrypt(self._name, self._pair[1], CONTEXT) != self._pair[0]:
            self._figures.findings.append(f"{self._kind}: restored, and not served as before")

    def _check(self, where: str, content: bytes, thorough: bool) -> None:
        client, name, pair = self._client, self._name, self._pair
        malformed = 500, f"stored key '{name}' is malformed: restore it from a backup"
        taken = 400, "key already exists"
        expected = {"decrypt": (malformed, lambda: client.decrypt(name, pair[1], CONTEXT))}
        if thorough:
            expected |= {
                "generate": (malformed, lambda: client.generate(name, CONTEXT)),
                "describe": (malformed, lambda: client.describe_key(name)),
                "rotate": (malformed, lambda: client.rotate_key(name)),
                "delete": (malformed, lambda: client.delete_key(name)),
                "undelete": (malformed, lambda: client.undelete_key(name)),
                "create": (taken, lambda: client.create_key(name)),
                "import": (taken, lambda: client.import_key(name, bytes(32), "AES256")),
            }
        for what, (answer, call) in expected.items():
            got = _answer(call)
            if got != answer:
                self._figures.findings.append(f"{where}: {what} gives {got}")
        if client.decrypt(self._good, self._good_pair[1], CONTEXT) != self._good_pair[0]:
            self._figures.findings.append(f"{where}: the other key does not open its ciphertext")
        if self._file.read_bytes() != content:
            self._figures.findings.append(f"{where}: the server changed the file")


def _answer(call: object) -> tuple[int, str]:
    try:
        call()  # type: ignore[operator]
    except AnswerError as error:
        return error.status, error.message
    return 200, ""


def trial(step: int = 1) -> Figures:
    figures = Figures()
    for sealed in (False, True):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            fs: dict[str, object] = {"path": str(folder / "keys")}
            if sealed:
                (folder / "seal").touch(mode=0o600)
                (folder / "seal").write_text("5e" * 32)
                fs["seal"] = {"key": {"file": str(folder / "seal")}}
            with running(folder, {"keystore": {"fs": fs}, "cache": UNCACHED}) as server, server.client() as client:
                for kind in ("sealed",) if sealed else ("plain", "rotated", "pending"):
                    Torn(client, folder / "keys", figures, kind).run(step)
            if "Traceback" in server.stderr:
                figures.findings.append(f"a traceback in the server's log: {server.stderr[:2000]}")
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.trials.torn")
    parser.add_argument("--full", action="store_true", help="every prefix and every bit")
    asked = parser.parse_args()
    begin = time.monotonic()
    figures = trial(1 if asked.full else 97)
    print(f"{figures.text()}, {time.monotonic() - begin:.0f} s")
    print("\n".join(f"FINDING {finding}" for finding in figures.findings[:100]))
    raise SystemExit(bool(figures.findings))


if __name__ == "__main__":
    main()
