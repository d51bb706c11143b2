"""Trial: 10,000 data keys, crossed with every key, algorithm, context and the recorded vectors.

    python -m tests.trials.crossed [--full]

Data keys come from the API's own handlers, under keys that went through the stored form. Each is opened by an
independent reader of the format (HChaCha20 by its rounds, HMAC and AEAD by the book), by the handlers under its own
key and context, and by nothing else: no other key, no other algorithm with the same bytes, no other context, no
recorded key. Recorded ciphertexts likewise. Some of the keys are rotated on the way.
"""

from __future__ import annotations

import argparse
import hmac
import json
import os
import struct
import time
from base64 import b64decode, b64encode
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from openkes.crypto import entry
from openkes.crypto.aead import Algorithm
from openkes.crypto.entry import Key
from openkes.errors import APIError, Code
from openkes.server import keys

RECORDED = json.loads((Path(__file__).parents[1] / "vectors" / "kes.json").read_text())
FOREIGN = 4  # other keys that each ciphertext is tried with, besides the recorded ones


@dataclass(slots=True)
class Figures:
    done: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)

    def text(self) -> str:
        return ", ".join(f"{count:,} {what}" for what, count in self.done.items())


@dataclass(frozen=True, slots=True)
class DataKey:
    """`version`: number of the key's version it was made under."""

    key: str
    context: bytes
    plaintext: bytes
    ciphertext: bytes


def trial(number: int) -> Figures:
    figures = Figures()
    ring = _ring()
    for name, key in _recorded().items():
        ring[name] = key
    made: list[DataKey] = []
    names = sorted(ring)
    for i in range(number):
        if i == number // 2:
            for name in names[::3]:
                ring[name] = _stored(name, ring[name].rotated(os.urandom(32), 1, "trial"))
        made.append(_generate(names[i % len(names)], ring[names[i % len(names)]], i))
    figures.done["data keys"] = len(made)
    for i, data_key in enumerate(made):
        _cross(figures, ring, data_key, i)
    for row in RECORDED["ciphertexts"]:
        recorded = DataKey(
            row["key"], b64decode(row["context"] or ""), b64decode(row["plaintext"]), b64decode(row["ciphertext"])
        )
        _cross(figures, ring, recorded, 0, everybody=True)
        figures.done["recorded ciphertexts"] += 1
    if len({data_key.plaintext for data_key in made}) != len(made):
        figures.findings.append("two data keys are the same")
    if len({data_key.ciphertext[-28:] for data_key in made}) != len(made):
        figures.findings.append("two data keys have the same iv and nonce")
    return figures


def _ring() -> dict[str, Key]:
    """Keys of both algorithms; AES256-N and ChaCha20-N have the very same bytes."""
    ring: dict[str, Key] = {}
    for i in range(12):
        raw = os.urandom(32)
        for algorithm in Algorithm:
            name = f"{algorithm.text}-{i}"
            ring[name] = _stored(name, Key(algorithm, raw, os.urandom(32), 1, "trial"))
    return ring


def _recorded() -> dict[str, Key]:
    return {row["name"]: entry.decode(row["entry"].encode()) for row in RECORDED["entries"]}


def _stored(name: str, key: Key) -> Key:
    """As it comes back from a store."""
    return entry.decode(entry.encode(key, name), name)


def _generate(name: str, key: Key, i: int) -> DataKey:
    context = (b"", b"{}", json.dumps({"bucket": f"bucket/object-{i}"}).encode())[i % 3]
    reply = json.loads(keys.generate(name, key, json.dumps({"context": b64encode(context).decode()}).encode()))
    return DataKey(name, context, b64decode(reply["plaintext"]), b64decode(reply["ciphertext"]))


def _decrypt(name: str, key: Key, ciphertext: bytes, context: bytes) -> bytes | None:
    """None: not authentic. Every other error escapes."""
    body = {"ciphertext": b64encode(ciphertext).decode(), "context": b64encode(context).decode()}
    try:
        return b64decode(json.loads(keys.decrypt(name, key, json.dumps(body).encode()))["plaintext"])
    except APIError as error:
        if error.code is not Code.NOT_AUTHENTIC:
            raise
        return None


def _cross(figures: Figures, ring: dict[str, Key], data_key: DataKey, i: int, everybody: bool = False) -> None:
    own = ring[data_key.key]
    where = f"{data_key.key}, number {i}"
    if _decrypt(data_key.key, own, data_key.ciphertext, data_key.context) != data_key.plaintext:
        figures.findings.append(f"{where}: does not open with its own key")
    if not any(
        by_the_book(version.algorithm, version.key, data_key.ciphertext, data_key.context) == data_key.plaintext
        for version in own.versions()
    ):
        figures.findings.append(f"{where}: an independent reader does not open it")
    figures.done["opened as they should"] += 2
    names = sorted(ring)
    recorded = {row["name"] for row in RECORDED["entries"]}
    others = names if everybody else [*recorded, *(names[(i * 7 + j) % len(names)] for j in range(1, FOREIGN + 1))]
    algorithm, _, number = data_key.key.partition("-")
    twin = f"{'ChaCha20' if algorithm == 'AES256' else 'AES256'}-{number}"
    for other in {*others, *([twin] if twin in ring else [])} - {data_key.key}:
        if _decrypt(other, ring[other], data_key.ciphertext, data_key.context) is not None:
            figures.findings.append(f"{where}: opens with {other}")
        figures.done["refused with another key"] += 1
    for context in (
        data_key.context + b"x",
        b"other",
        b"" if data_key.context else b"{}",
        data_key.context[:-1] or b"y",
    ):
        if context != data_key.context:
            if _decrypt(data_key.key, own, data_key.ciphertext, context) is not None:
                figures.findings.append(f"{where}: opens with the context {context!r}")
            figures.done["refused with another context"] += 1


def by_the_book(algorithm: Algorithm, key: bytes, ciphertext: bytes, context: bytes) -> bytes | None:
    """The binary form, read without the project's code. None: not authentic."""
    from cryptography.exceptions import InvalidTag

    sealed, iv, nonce = ciphertext[:-28], ciphertext[-28:-12], ciphertext[-12:]
    try:
        if algorithm.number == 1:
            return AESGCM(hmac.new(key, iv, "sha256").digest()).decrypt(nonce, sealed, context)
        return ChaCha20Poly1305(hchacha20(key, iv)).decrypt(nonce, sealed, context)
    except InvalidTag:
        return None


def hchacha20(key: bytes, iv: bytes) -> bytes:
    """By its twenty rounds, as draft-irtf-cfrg-xchacha writes them."""
    state = list(struct.unpack("<4I8I4I", b"expand 32-byte k" + key + iv))

    def quarter(a: int, b: int, c: int, d: int) -> None:
        for x, y, z, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            state[x] = (state[x] + state[y]) & 0xFFFFFFFF
            mixed = state[z] ^ state[x]
            state[z] = (mixed << bits | mixed >> (32 - bits)) & 0xFFFFFFFF

    for _ in range(10):
        for column in range(4):
            quarter(column, 4 + column, 8 + column, 12 + column)
        for diagonal in range(4):
            quarter(diagonal, 4 + (diagonal + 1) % 4, 8 + (diagonal + 2) % 4, 12 + (diagonal + 3) % 4)
    return struct.pack("<8I", *state[:4], *state[12:])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.trials.crossed")
    parser.add_argument("--full", action="store_true", help="10,000 data keys")
    asked = parser.parse_args()
    begin = time.monotonic()
    figures = trial(10_000 if asked.full else 500)
    print(f"{figures.text()}, {len(figures.findings)} findings, {time.monotonic() - begin:.0f} s")
    print("\n".join(f"FINDING {finding}" for finding in figures.findings[:100]))
    raise SystemExit(bool(figures.findings))


if __name__ == "__main__":
    main()
