"""What every key store keeps. A back end subclasses `Conformance` and gives a `store` fixture. What several key servers
share is in `shared.py`."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

import pytest

from openkes.keystore import KeyExists, KeyNotFound, KeyStore, Unreachable

ODD_NAMES = ["a", "0", "_a", "a_", "__", "a-b", "A", "CON", "x" * 80, "my-master-key"]


class Conformance:
    def test_is_a_key_store(self, store: KeyStore) -> None:
        assert isinstance(store, KeyStore)

    def test_gives_back_what_was_created(self, store: KeyStore) -> None:
        store.create("key", b"value")
        assert store.get("key") == b"value"

    def test_keeps_every_byte(self, store: KeyStore) -> None:
        value = b"CiQKIPWxZSJKWLeR32rx2DA+Yc3Eu4bD0cQnEDw0TEGJ6y8eEAES" * 40
        store.create("key", value)
        assert store.get("key") == value

    def test_never_replaces(self, store: KeyStore) -> None:
        store.create("key", b"first")
        with pytest.raises(KeyExists):
            store.create("key", b"second")
        assert store.get("key") == b"first"

    def test_get_of_an_absent_key(self, store: KeyStore) -> None:
        with pytest.raises(KeyNotFound):
            store.get("absent")

    def test_delete(self, store: KeyStore) -> None:
        store.create("key", b"value")
        store.delete("key")
        with pytest.raises(KeyNotFound):
            store.get("key")
        assert store.list("", 10).names == []

    def test_delete_of_an_absent_key(self, store: KeyStore) -> None:
        with pytest.raises(KeyNotFound):
            store.delete("absent")

    def test_create_after_delete(self, store: KeyStore) -> None:
        store.create("key", b"first")
        store.delete("key")
        store.create("key", b"second")
        assert store.get("key") == b"second"

    @pytest.mark.parametrize("name", ODD_NAMES)
    def test_odd_names(self, store: KeyStore, name: str) -> None:
        store.create(name, b"value")
        assert store.get(name) == b"value"
        assert store.list("", 10).names == [name]

    def test_names_differ_by_case(self, store: KeyStore) -> None:
        store.create("key", b"lower")
        store.create("KEY", b"upper")
        assert (store.get("key"), store.get("KEY")) == (b"lower", b"upper")

    def test_lists_sorted_by_prefix(self, store: KeyStore) -> None:
        for name in ("b2", "a1", "b1", "c"):
            store.create(name, b"value")
        assert store.list("", 10).names == ["a1", "b1", "b2", "c"]
        assert store.list("b", 10).names == ["b1", "b2"]
        assert store.list("zzz", 10).names == []

    def test_lists_in_pages_without_loss(self, store: KeyStore) -> None:
        names = [f"key-{i:04d}" for i in range(1, 260)]
        for name in names:
            store.create(name, b"value")
        seen: list[str] = []
        start = ""
        while True:
            page = store.list("key-", 100, start)
            seen += page.names
            if not page.continue_at:
                break
            assert page.continue_at not in page.names
            start = page.continue_at
        assert seen == names

    def test_a_page_that_just_fits_is_the_last(self, store: KeyStore) -> None:
        for name in ("a", "b"):
            store.create(name, b"value")
        assert store.list("", 2).continue_at == ""

    def test_one_of_many_creators_wins(self, store: KeyStore) -> None:
        barrier = threading.Barrier(8)
        won: list[bytes] = []
        lost: list[bytes] = []

        def creator(value: bytes) -> None:
            barrier.wait()
            try:
                store.create("contended", value)
                won.append(value)
            except KeyExists:
                lost.append(value)

        run_all([lambda i=i: creator(b"value-%d" % i) for i in range(8)])
        assert (len(won), len(lost)) == (1, 7)
        assert store.get("contended") == won[0]

    def test_replace(self, store: KeyStore) -> None:
        store.create("key", b"old")
        store.replace("key", b"old", b"new")
        assert store.get("key") == b"new"

    def test_replace_of_another_value_changes_nothing(self, store: KeyStore) -> None:
        store.create("key", b"value")
        with pytest.raises(KeyExists):
            store.replace("key", b"other", b"new")
        assert store.get("key") == b"value"

    def test_replace_of_an_absent_key(self, store: KeyStore) -> None:
        with pytest.raises(KeyNotFound):
            store.replace("absent", b"old", b"new")
        assert store.list("", 10).names == []

    def test_one_of_many_replacers_wins(self, store: KeyStore) -> None:
        store.create("contended", b"old")
        barrier = threading.Barrier(8)
        won: list[bytes] = []

        def replacer(value: bytes) -> None:
            barrier.wait()
            with contextlib.suppress(KeyExists):
                store.replace("contended", b"old", value)
                won.append(value)

        run_all([lambda i=i: replacer(b"value-%d" % i) for i in range(8)])
        assert [store.get("contended")] == won

    def test_status_has_a_latency(self, store: KeyStore) -> None:
        assert store.status().latency >= 0

    @pytest.mark.parametrize(
        "call",
        [
            lambda store: store.create("key", b"value"),
            lambda store: store.get("key"),
            lambda store: store.replace("key", b"old", b"new"),
            lambda store: store.delete("key"),
            lambda store: store.list("", 1),
            lambda store: store.status(),
        ],
    )
    def test_calls_after_close(self, store: KeyStore, call: Callable[[KeyStore], object]) -> None:
        store.close()
        with pytest.raises(Unreachable):
            call(store)


def run_all(calls: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
