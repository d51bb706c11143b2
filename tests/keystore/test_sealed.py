"""The sealed store keeps the interface over every other store, and opens nothing that it did not seal so."""

from __future__ import annotations

from pathlib import Path

import pytest

from openkes.crypto.malformed import MalformedEntry
from openkes.keystore import KeyExists, KeyStore
from openkes.keystore.fs import FileStore
from openkes.keystore.memory import MemoryStore
from openkes.keystore.sealed import SealedStore
from tests.keystore.conformance import Conformance

KEY = bytes(range(32))


class TestSealedMemoryStore(Conformance):
    @pytest.fixture
    def store(self) -> SealedStore:
        return SealedStore(MemoryStore(), KEY)


class TestSealedFileStore(Conformance):
    @pytest.fixture
    def store(self, tmp_path: Path) -> SealedStore:
        return SealedStore(FileStore(tmp_path / "keys"), KEY)


@pytest.fixture
def inner() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def store(inner: MemoryStore) -> SealedStore:
    return SealedStore(inner, KEY)


def test_nothing_of_the_value_is_kept_in_the_open(inner: KeyStore, store: SealedStore) -> None:
    store.create("key", b"CiQKIPWxZSJKWLeR32rx2DA+Yc3E")
    assert inner.get("key").startswith(b"openkes-seal:v1:")
    assert b"CiQKIPWx" not in inner.get("key")


def test_the_same_value_is_sealed_differently_every_time(inner: KeyStore, store: SealedStore) -> None:
    store.create("key", b"value")
    first = inner.get("key")
    store.replace("key", b"value", b"value")
    assert inner.get("key") != first


def test_a_wrong_key(inner: KeyStore, store: SealedStore) -> None:
    store.create("key", b"value")
    with pytest.raises(MalformedEntry, match="another key"):
        SealedStore(inner, bytes(32)).get("key")


def test_a_flipped_bit_harms_one_key_only(inner: KeyStore, store: SealedStore) -> None:
    store.create("key", b"value")
    store.create("other", b"value")
    sealed = inner.get("key")
    inner.replace("key", sealed, sealed[:-5] + bytes([sealed[-5] ^ 1]) + sealed[-4:])
    with pytest.raises(MalformedEntry, match="cannot be unsealed"):
        store.get("key")
    assert store.get("other") == b"value"


def test_sealed_entries_cannot_change_places(inner: KeyStore, store: SealedStore) -> None:
    store.create("key", b"value")
    inner.create("other", inner.get("key"))
    with pytest.raises(MalformedEntry, match="under another name"):
        store.get("other")


def test_a_plain_entry_is_refused_with_the_way_to_convert(inner: KeyStore, store: SealedStore) -> None:
    inner.create("key", b"CiQKIPWx")
    with pytest.raises(MalformedEntry, match=r"keystore\.fs\.seal.*kes migrate"):
        store.get("key")


def test_what_cannot_be_read_is_neither_replaced_nor_created_anew(inner: KeyStore, store: SealedStore) -> None:
    inner.create("key", b"CiQKIPWx")
    with pytest.raises(MalformedEntry):
        store.replace("key", b"CiQKIPWx", b"new")
    with pytest.raises(KeyExists):
        store.create("key", b"new")
    assert inner.get("key") == b"CiQKIPWx"


def test_a_change_between_reading_and_writing_is_noticed(inner: MemoryStore) -> None:
    class Meddled(MemoryStore):
        def get(self, name: str) -> bytes:
            found = super().get(name)
            self.replace(name, found, other)
            return found

    meddled = Meddled()
    store = SealedStore(meddled, KEY)
    store.create("key", b"old")
    SealedStore(inner, KEY).create("key", b"old")
    other = inner.get("key")
    with pytest.raises(KeyExists):
        store.replace("key", b"old", b"new")
