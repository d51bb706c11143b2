"""Encryption of backups: to several recipients, by passphrase, and every damage is noticed."""

from __future__ import annotations

import sys

import pyrage
import pytest

from openkes.backup import age
from openkes.errors import OperatorError

DATA = b"content " * 20_000  # more than two of age's 64 KiB chunks
FIRST, SECOND = (pyrage.x25519.Identity.generate() for _ in range(2))
SEALED = age.encrypt(DATA, age.Recipients((str(FIRST.to_public()), str(SECOND.to_public()))))


@pytest.fixture(scope="module")
def by_passphrase() -> bytes:
    return age.encrypt(DATA, age.Passphrase("correct horse"))


@pytest.mark.parametrize("identity", [FIRST, SECOND])
def test_every_recipient_can_open_it(identity: object) -> None:
    assert age.decrypt(SEALED, age.Identities((str(identity),)), "file") == DATA


def test_nobody_else_can() -> None:
    other = pyrage.x25519.Identity.generate()
    with pytest.raises(OperatorError, match="cannot decrypt file") as caught:
        age.decrypt(SEALED, age.Identities((str(other),)), "file")
    assert "another identity" in caught.value.hint


def test_a_passphrase(by_passphrase: bytes) -> None:
    assert age.decrypt(by_passphrase, age.Passphrase("correct horse"), "file") == DATA


def test_a_wrong_passphrase(by_passphrase: bytes) -> None:
    with pytest.raises(OperatorError, match="cannot decrypt file"):
        age.decrypt(by_passphrase, age.Passphrase("Correct horse"), "file")


def test_an_identity_for_a_passphrase(by_passphrase: bytes) -> None:
    with pytest.raises(OperatorError, match="with a passphrase") as caught:
        age.decrypt(by_passphrase, age.Identities((str(FIRST),)), "file")
    assert "--passphrase-file" in caught.value.hint


def test_a_passphrase_for_recipients() -> None:
    with pytest.raises(OperatorError, match="to age recipients") as caught:
        age.decrypt(SEALED, age.Passphrase("x"), "file")
    assert "--identity" in caught.value.hint


@pytest.mark.parametrize("length", [30, 200, 70_000, len(SEALED) - 65_536 - 16, len(SEALED) - 1])
def test_a_cut_file(length: int) -> None:
    with pytest.raises(OperatorError, match="cannot decrypt"):
        age.decrypt(SEALED[:length], age.Identities((str(FIRST),)), "file")


@pytest.mark.parametrize("place", [30, 150, 1_000, 100_000, len(SEALED) - 1])
def test_a_flipped_bit(place: int) -> None:
    changed = bytearray(SEALED)
    changed[place] ^= 1
    with pytest.raises(OperatorError, match="cannot decrypt"):
        age.decrypt(bytes(changed), age.Identities((str(FIRST),)), "file")


def test_a_file_of_identities_as_age_keygen_writes_it() -> None:
    text = f"# created: 2026-11-23\n# public key: {FIRST.to_public()}\n{FIRST}\n\n{SECOND}\n"
    assert age.identities(text.encode(), "file") == age.Identities((str(FIRST), str(SECOND)))


@pytest.mark.parametrize("content", [b"", b"# comment\n", b"age1abc\n", b"\xff\xfe", b"-----BEGIN PRIVATE KEY-----\n"])
def test_what_is_no_file_of_identities(content: bytes) -> None:
    with pytest.raises(OperatorError, match="no file of age identities"):
        age.identities(content, "file")


def test_a_mangled_identity_is_not_shown() -> None:
    mangled = str(FIRST)[:-1]
    with pytest.raises(OperatorError, match="cannot be read") as caught:
        age.decrypt(SEALED, age.Identities((mangled,)), "file")
    assert mangled not in str(caught.value) + caught.value.hint


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyrage", None)
    with pytest.raises(OperatorError, match="need the Python package pyrage") as caught:
        age.encrypt(DATA, age.Passphrase("x"))
    assert "openkes[backup]" in caught.value.hint


def test_secrets_do_not_show() -> None:
    assert "horse" not in repr(age.Passphrase("horse"))
    assert str(FIRST) not in repr(age.Identities((str(FIRST),)))
