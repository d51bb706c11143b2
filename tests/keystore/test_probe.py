"""The probe names the permission that is missing, and leaves nothing behind."""

from __future__ import annotations

import pytest

from openkes.keystore import KeyNotFound, Unreachable
from openkes.keystore.memory import MemoryStore
from openkes.keystore.probe import ProbeFailed, probe


def test_a_good_store_passes_and_stays_empty() -> None:
    store = MemoryStore()
    probe(store)
    assert store.list("", 10).names == []


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ("list", "list names"),
        ("create", "create entries"),
        ("get", "read entries"),
        ("replace", "change entries, as rotations and deletions do"),
        ("delete", "delete entries"),
    ],
)
def test_the_missing_permission_is_named(monkeypatch: pytest.MonkeyPatch, call: str, text: str) -> None:
    store = MemoryStore()

    def refused(*_: object) -> None:
        raise Unreachable("permission denied")

    monkeypatch.setattr(store, call, refused)
    with pytest.raises(ProbeFailed, match=f"cannot {text}: permission denied"):
        probe(store)


def test_what_cannot_be_read_back_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    monkeypatch.setattr(store, "get", lambda name: b"something else")
    with pytest.raises(ProbeFailed, match="another value"):
        probe(store)
    assert store.list("", 10).names == []


def test_a_store_that_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()

    def forget(name: str) -> bytes:
        raise KeyNotFound(name)

    monkeypatch.setattr(store, "get", forget)
    with pytest.raises(ProbeFailed, match="does not show the entry"):
        probe(store)
