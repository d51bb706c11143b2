"""Collecting and restoring over stores that fail, race and lie."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from openkes.backup.collect import collect
from openkes.backup.restore import Plan, plan, write
from openkes.errors import OperatorError
from openkes.keystore import KeyStore, Unreachable
from openkes.keystore.fs import FileStore
from openkes.keystore.memory import MemoryStore
from openkes.keystore.sealed import SealedStore

VECTORS = Path(__file__).parent.parent / "vectors" / "kes.json"
ENTRIES = {row["name"]: row["entry"].encode() for row in json.loads(VECTORS.read_text())["entries"]}
NAMES = sorted(ENTRIES)
ONE, TWO = NAMES[:2]


def filled(store: KeyStore) -> KeyStore:
    for name, value in ENTRIES.items():
        store.create(name, value)
    return store


@pytest.mark.parametrize("kind", ["memory", "fs", "sealed"])
def test_everything_of_every_store(kind: str, tmp_path: Path) -> None:
    stores = {
        "memory": MemoryStore,
        "fs": lambda: FileStore(tmp_path / "keys"),
        "sealed": lambda: SealedStore(FileStore(tmp_path / "keys"), bytes(32)),
    }
    found = collect(filled(stores[kind]()))
    assert (found.entries, found.damaged) == (ENTRIES, {})


def test_more_keys_than_a_page() -> None:
    store = MemoryStore()
    for i in range(2_500):
        store.create(f"key-{i}", ENTRIES[ONE])
    assert len(collect(store).entries) == 2_500


def test_a_key_that_is_deleted_meanwhile_is_left_out() -> None:
    class Deleting(MemoryStore):
        def get(self, name: str) -> bytes:
            if name == ONE:
                self.delete(name)
            return super().get(name)

    found = collect(filled(Deleting()))
    assert (sorted(found.entries), found.damaged) == (NAMES[1:], {})


def test_damage_is_named_and_harms_no_other_key() -> None:
    store = filled(MemoryStore())
    store.create("torn", ENTRIES[ONE][:20])
    store.create("utf-16", '{"bytes": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "x": "ÿ"}'.encode("utf-16-le"))
    found = collect(store)
    assert found.entries == ENTRIES
    assert sorted(found.damaged) == ["torn", "utf-16"]


def test_a_store_that_fails_half_way_gives_no_part() -> None:
    class Failing(MemoryStore):
        def get(self, name: str) -> bytes:
            if name == TWO:
                raise Unreachable("the disk is gone")
            return super().get(name)

    with pytest.raises(Unreachable):
        collect(filled(Failing()))


def test_a_plan() -> None:
    store = MemoryStore()
    store.create(ONE, ENTRIES[ONE])
    store.create(TWO, ENTRIES[ONE])
    store.create("other", ENTRIES[ONE])
    assert plan(store, ENTRIES) == Plan(missing=NAMES[2:], same=[ONE], different=[TWO], others=["other"])


def test_what_cannot_be_read_in_the_store_stands_in_the_way() -> None:
    inner = MemoryStore()
    inner.create(ONE, b"plain")
    assert plan(SealedStore(inner, bytes(32)), ENTRIES).different == [ONE]


def test_an_entry_that_no_server_could_use_is_not_restored() -> None:
    store = MemoryStore()
    with pytest.raises(OperatorError, match="entry of torn is malformed"):
        plan(store, ENTRIES | {"torn": ENTRIES[ONE][:20]})


def test_writing() -> None:
    store = MemoryStore()
    assert list(write(store, ENTRIES, NAMES)) == NAMES
    assert collect(store).entries == ENTRIES


def test_a_key_that_somebody_else_creates_meanwhile_is_not_overwritten() -> None:
    store = MemoryStore()
    store.create(TWO, b"theirs")
    done = write(store, ENTRIES, NAMES)
    assert next(done) == ONE
    with pytest.raises(OperatorError, match=f"created {TWO} meanwhile"):
        next(done)
    assert store.get(TWO) == b"theirs"


def test_a_store_that_loses_what_it_acknowledged() -> None:
    class Forgetful(MemoryStore):
        def create(self, name: str, value: bytes) -> None:
            pass

    with pytest.raises(OperatorError, match="could not be read back"):
        list(write(Forgetful(), ENTRIES, NAMES))


def test_a_store_that_changes_what_it_acknowledged() -> None:
    class Changing(MemoryStore):
        def create(self, name: str, value: bytes) -> None:
            super().create(name, value[:-1])

    with pytest.raises(OperatorError, match="could not be read back"):
        list(write(Changing(), ENTRIES, NAMES))


def test_a_full_disk_half_way_says_how_to_go_on() -> None:
    class Full(MemoryStore):
        def create(self, name: str, value: bytes) -> None:
            if name == TWO:
                raise Unreachable("no space left")
            super().create(name, value)

    store = Full()
    with pytest.raises(OperatorError, match=f"cannot write {TWO}: no space left") as caught:
        list(write(store, ENTRIES, NAMES))
    assert "restore again" in caught.value.hint
    assert plan(store, ENTRIES).same == [ONE]
