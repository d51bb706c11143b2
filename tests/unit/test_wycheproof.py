"""Project Wycheproof's vectors through this project's own calls: odd counters, tags, lengths and changed ciphertexts.

The AEADs take 96-bit nonces and 128-bit tags, and AES-256 keys only: what other vectors test is refused.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import pytest

from openkes.crypto import aead
from openkes.crypto.aead import Algorithm, NotAuthentic
from openkes.crypto.entry import Key
from openkes.server import keys

VECTORS = Path(__file__).parent.parent / "vectors" / "wycheproof"


def vectors(file: str, **sizes: int) -> list[dict[str, Any]]:
    """Of groups with these sizes in bits."""
    groups = json.loads((VECTORS / file).read_text())["testGroups"]
    return [
        {**test, "tagSize": group["tagSize"]}
        for group in groups
        if all(group[size] == bits for size, bits in sizes.items())
        for test in group["tests"]
    ]


FITTING = {"keySize": 256, "ivSize": 96, "tagSize": 128}
AEADS = {
    Algorithm.AES256: vectors("aes_gcm_test.json", **FITTING),
    Algorithm.CHACHA20: vectors("chacha20_poly1305_test.json", **FITTING),
}
HMACS = vectors("hmac_sha256_test.json")


@pytest.mark.parametrize(
    ("algorithm", "valid", "invalid"), [(Algorithm.AES256, 39, 27), (Algorithm.CHACHA20, 256, 60)], ids=str
)
def test_there_are_vectors_of_both_kinds(algorithm: Algorithm, valid: int, invalid: int) -> None:
    results = [test["result"] for test in AEADS[algorithm]]
    assert (results.count("valid"), results.count("invalid")) == (valid, invalid)


def _of(result: str) -> list[Any]:
    return [
        pytest.param(algorithm, test, id=f"{algorithm.text}-{test['tcId']}")
        for algorithm, tests in AEADS.items()
        for test in tests
        if test["result"] == result
    ]


def _bytes(test: dict[str, Any], *fields: str) -> list[bytes]:
    return [bytes.fromhex(test[field]) for field in fields]


@pytest.mark.parametrize(("algorithm", "test"), _of("valid"))
def test_valid(algorithm: Algorithm, test: dict[str, Any]) -> None:
    key, iv, aad, message, ciphertext, tag = _bytes(test, "key", "iv", "aad", "msg", "ct", "tag")
    assert aead.encrypt(algorithm, key, iv, message, aad) == ciphertext + tag
    assert aead.decrypt(algorithm, key, iv, ciphertext + tag, aad) == message


@pytest.mark.parametrize(("algorithm", "test"), _of("invalid"))
def test_invalid(algorithm: Algorithm, test: dict[str, Any]) -> None:
    key, iv, aad, ciphertext, tag = _bytes(test, "key", "iv", "aad", "ct", "tag")
    with pytest.raises(NotAuthentic):
        aead.decrypt(algorithm, key, iv, ciphertext + tag, aad)


@pytest.mark.parametrize("algorithm", Algorithm, ids=str)
def test_other_nonce_sizes_are_not_authentic(algorithm: Algorithm) -> None:
    for size in {len(bytes.fromhex(test["iv"])) for test in vectors("aes_gcm_test.json")} - {aead.NONCE_SIZE}:
        with pytest.raises(NotAuthentic):
            aead.Envelope(algorithm, bytes(32)).open(bytes(48), b"", bytes(aead.IV_SIZE), bytes(size))


@pytest.mark.parametrize("algorithm", Algorithm, ids=str)
def test_seal_is_the_tested_cipher_under_a_derived_key(algorithm: Algorithm) -> None:
    key, random = bytes(range(32)), bytes(range(100, 128))
    iv, nonce = random[:16], random[16:]
    envelope = aead.Envelope(algorithm, key)
    expected = aead.encrypt(algorithm, envelope.data_key(iv), nonce, b"message", b"context")
    assert envelope.seal(b"message", b"context", random) == expected


@pytest.mark.parametrize("test", HMACS, ids=lambda test: str(test["tcId"]))
def test_hmac(test: dict[str, Any]) -> None:
    """Through the handler of the API's route. Vectors with short tags compare their first bytes."""
    secret, message, tag = _bytes(test, "key", "msg", "tag")
    key = Key(Algorithm.AES256, bytes(32), secret, None, "")
    answer = keys.hmac_("key", key, json.dumps({"message": b64encode(message).decode()}).encode())
    made = b64decode(json.loads(answer)["hmac"])
    assert (made[: test["tagSize"] // 8] == tag) is (test["result"] == "valid")
