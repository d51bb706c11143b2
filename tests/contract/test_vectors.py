"""The recorded data, both ways: what the original wrote opens here, and byte for byte what it would write."""

from __future__ import annotations

import hmac
import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from openkes.crypto import entry, timestamp
from openkes.crypto.aead import BY_NAME, RANDOM_SIZE, NotAuthentic
from openkes.crypto.ciphertext import Cipher

VECTORS = Path(__file__).parent.parent / "vectors"
KES = json.loads((VECTORS / "kes.json").read_text())
LEGACY = json.loads((VECTORS / "legacy.json").read_text())
KEYS = {row["name"]: entry.decode(row["entry"].encode()) for row in KES["entries"]}


@pytest.mark.parametrize("row", KES["entries"], ids=lambda row: row["name"])
def test_entries_parse_to_what_describe_said(row: dict[str, Any]) -> None:
    key = KEYS[row["name"]]
    assert key.algorithm.text == row["describe"]["algorithm"]
    assert timestamp.to_text(key.created_at) == row["describe"]["created_at"]
    assert key.created_by == row["describe"]["created_by"]
    if row["key_base64"]:
        assert key.key == b64decode(row["key_base64"])


@pytest.mark.parametrize("row", KES["entries"], ids=lambda row: row["name"])
def test_entries_are_written_byte_for_byte(row: dict[str, Any]) -> None:
    assert entry.encode(KEYS[row["name"]], tagged=False).decode() == row["entry"].strip()


@pytest.mark.parametrize("index", range(len(KES["ciphertexts"])))
def test_ciphertexts_open(index: int) -> None:
    row = KES["ciphertexts"][index]
    key = KEYS[row["key"]]
    raw, context = b64decode(row["ciphertext"]), b64decode(row["context"] or "")
    assert key.cipher.decrypt(raw, context) == b64decode(row["plaintext"])


@pytest.mark.parametrize("index", range(len(KES["ciphertexts"])))
def test_ciphertexts_are_made_byte_for_byte(index: int) -> None:
    row = KES["ciphertexts"][index]
    key = KEYS[row["key"]]
    raw, context = b64decode(row["ciphertext"]), b64decode(row["context"] or "")
    made = key.cipher.encrypt(b64decode(row["plaintext"]), context, raw[-RANDOM_SIZE:])
    assert made == raw


def test_the_vectors_hold_binary_ciphertexts_that_look_like_older_ones() -> None:
    firsts = {b64decode(row["ciphertext"])[:1] for row in KES["ciphertexts"]}
    assert {b"{", b"\x95"} <= firsts


@pytest.mark.parametrize("index", range(len(KES["hmacs"])))
def test_hmacs(index: int) -> None:
    row = KES["hmacs"][index]
    hmac_key = KEYS[row["key"]].hmac_key
    assert hmac_key is not None
    assert hmac.digest(hmac_key, b64decode(row["message"]), "sha256") == b64decode(row["hmac"])


@pytest.mark.parametrize("index", range(len(LEGACY["ciphertexts"])))
def test_legacy_ciphertexts(index: int) -> None:
    row = LEGACY["ciphertexts"][index]
    key, raw, context = (b64decode(row[name]) for name in ("key", "ciphertext", "context"))
    cipher = Cipher(BY_NAME[row["algorithm"]], key)
    if row["expect"] == "plaintext":
        assert cipher.decrypt(raw, context) == b64decode(row["plaintext"])
    else:
        with pytest.raises(NotAuthentic):
            cipher.decrypt(raw, context)


@pytest.mark.parametrize("index", range(len(LEGACY["entries"])))
def test_legacy_entries(index: int) -> None:
    row = LEGACY["entries"][index]
    if row["expect"] == "reject":
        with pytest.raises(entry.MalformedEntry):
            entry.decode(row["entry"].encode())
        return
    key = entry.decode(row["entry"].encode())
    assert key.algorithm.text == row["algorithm"]
    assert key.key == b64decode(row["key"])
    assert key.hmac_key == (b64decode(row["hmac_key"]) if row["hmac_key"] else None)
    assert key.created_at == (timestamp.from_text(row["created_at"]) if row["created_at"] else None)
    assert key.created_by == (row["created_by"] or "")
