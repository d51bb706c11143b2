"""Entries lie where upstream has them, so that either reads what the other wrote; what upstream sees of a change."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace

import pytest

from openkes.keystore import KeyExists, KeyNotFound, Unreachable
from openkes.keystore.vault import Layout
from tests.keystore.bao import Bao, Refused
from tests.keystore.vault.site import TRANSIT_KEY, Site, site

ENTRY = "CiQKIPWxZSJKWLeR32rx2DA+Yc3Eu4bD0cQnEDw0TEGJ6y8eEAES"


def test_what_upstream_wrote_is_read(kv: Site) -> None:
    kv.put("key", ENTRY)
    store = kv.open()
    assert store.get("key") == ENTRY.encode()
    assert store.list("", 10).names == ["key"]


def test_upstream_reads_what_is_written_here(kv: Site) -> None:
    kv.open().create("key", ENTRY.encode())
    assert kv.fields("key") == {"key": ENTRY}


def test_without_a_prefix_it_is_the_top_of_the_engine(bao: Bao) -> None:
    bao.kv("top", 2)
    made = site(bao, 2)
    made.layout = Layout("top", 2)
    store = made.open()
    store.create("key", ENTRY.encode())
    assert bao.call("GET", "top/data/key")["data"]["data"] == {"key": ENTRY}
    assert store.list("", 10).names == ["key"]
    made.close()


def test_foreign_secrets_and_folders_are_not_listed(kv: Site) -> None:
    for name in ("a key", "-", "folder/key"):
        kv.put(name, "theirs")
    kv.put("key", ENTRY)
    assert kv.open().list("", 10).names == ["key"]


@pytest.mark.parametrize("name", ["../other", "folder/key", "", ".openkes-claims", "a?b"])
def test_a_name_that_is_none_reaches_no_other_secret(kv: Site, name: str) -> None:
    store = kv.open()
    for call in (lambda: store.get(name), lambda: store.delete(name), lambda: store.create(name, b"entry")):
        with pytest.raises(KeyNotFound):
            call()


def test_a_secret_without_the_field_is_named(kv: Site) -> None:
    body = {"other": "text"}
    kv.bao.call("POST", kv.path("key"), {"data": body} if kv.layout.version == 2 else body)
    with pytest.raises(Unreachable, match="has no field key with a text: a key server has not written it"):
        kv.open().get("key")


def test_a_value_that_is_no_text_is_refused(kv: Site) -> None:
    with pytest.raises(Unreachable, match="no key server made it"):
        kv.open().create("key", b"\xff")


class TestVersion2:
    """What check-and-set and versions bring with them."""

    @pytest.fixture
    def kv(self, bao: Bao) -> Iterator[Site]:
        made = site(bao, 2)
        yield made
        made.close()

    def test_upstream_goes_on_to_read_the_first_entry(self, kv: Site) -> None:
        store = kv.open()
        store.create("key", b"first")
        store.replace("key", b"first", b"second")
        assert store.get("key") == b"second"
        assert kv.fields("key", version=1) == {"key": "first"}

    def test_a_delete_leaves_nothing_and_the_next_entry_is_version_1(self, kv: Site) -> None:
        store = kv.open()
        store.create("key", b"first")
        store.replace("key", b"first", b"second")
        store.delete("key")
        with pytest.raises(Refused, match="404"):
            kv.bao.call("GET", kv.path("key", "metadata"))
        store.create("key", b"third")
        assert kv.fields("key", version=1) == {"key": "third"}

    def test_a_key_deleted_by_hand_is_neither_absent_nor_free_and_comes_back(self, kv: Site) -> None:
        store = kv.open()
        store.create("key", b"entry")
        kv.bao.call("DELETE", kv.path("key"))
        for call in (
            lambda: store.get("key"),
            lambda: store.create("key", b"other"),
            lambda: store.replace("key", b"entry", b"other"),
            lambda: store.delete("key"),
        ):
            with pytest.raises(Unreachable, match=r"was deleted at .* by hand: `bao kv undelete -versions=1"):
                call()
        kv.bao.call("POST", kv.path("key", "undelete"), {"versions": [1]})
        assert store.get("key") == b"entry"

    def test_a_key_destroyed_by_hand_is_not_made_anew(self, kv: Site) -> None:
        store = kv.open()
        store.create("key", b"entry")
        kv.bao.call("PUT", kv.path("key", "destroy"), {"versions": [1]})
        with pytest.raises(Unreachable, match="was destroyed, by hand: restore the key from a backup"):
            store.create("key", b"other")

    def test_an_engine_that_deletes_by_itself_takes_no_key(self, kv: Site, caplog: pytest.LogCaptureFixture) -> None:
        kv.bao.kv("ending", 2)
        kv.bao.call("POST", "ending/config", {"delete_version_after": "1h"})
        kv.layout = Layout("ending", 2)
        store = kv.open()
        with pytest.raises(Unreachable, match=r"would delete ending/data/key at .*delete_version_after=0s"):
            store.create("key", b"entry")
        assert store.list("", 10).names == []
        kv.bao.call("POST", "ending/data/upstreams", {"data": {"upstreams": "entry"}})
        assert [store.get("upstreams") for _ in range(3)] == [b"entry"] * 3
        assert caplog.text.count("the key store will delete ending/data/upstreams at") == 1


class TestEngine:
    """Another engine than the configuration says: entries would go where nobody finds them."""

    def test_of_the_other_version(self, kv: Site) -> None:
        other = 3 - kv.layout.version
        with pytest.raises(Unreachable, match=rf"of version {kv.layout.version}: set keystore.vault.version to v"):
            kv.layout = replace(kv.layout, version=other)
            kv.open()

    def test_of_another_kind(self, kv: Site) -> None:
        kv.layout = replace(kv.layout, engine="transit")
        with pytest.raises(Unreachable, match="transit/ is an engine of the kind transit"):
            kv.open()

    def test_none(self, kv: Site) -> None:
        kv.layout = replace(kv.layout, engine="nowhere")
        with pytest.raises(Unreachable, match="needs something below nowhere/, where a KV engine has to be mounted"):
            kv.open()

    def test_one_that_is_mounted_anew_with_the_other_version(self, bao: Bao, version: int) -> None:
        bao.kv("swapped", version)
        made = site(bao, version)
        made.layout = Layout("swapped", version)
        store = made.open()
        bao.call("DELETE", "sys/mounts/swapped")
        with pytest.raises(Unreachable, match="nothing is mounted there"):
            store.get("key")
        bao.kv("swapped", 3 - version)
        for call in (lambda: store.create("key", b"entry"), lambda: store.get("key")):
            with pytest.raises(Unreachable, match=f"keystore.vault.version to v{3 - version}"):
                call()
        made.close()
        bao.call("DELETE", "sys/mounts/swapped")


class TestWrapped:
    """By the transit engine."""

    @pytest.fixture
    def kv(self, bao: Bao, version: int) -> Iterator[Site]:
        made = site(bao, version, wrapped=True)
        yield made
        made.close()

    def test_the_field_holds_the_ciphertext_of_the_entry(self, kv: Site) -> None:
        kv.open().create("key", ENTRY.encode())
        stored = kv.fields("key")["key"]
        assert stored.startswith("vault:v")
        opened = kv.bao.call("POST", f"transit/decrypt/{TRANSIT_KEY}", {"ciphertext": stored})["data"]["plaintext"]
        assert base64.b64decode(opened) == ENTRY.encode()

    def test_what_upstream_wrapped_is_read(self, kv: Site) -> None:
        plaintext = base64.b64encode(ENTRY.encode()).decode()
        wrapped = kv.bao.call("POST", f"transit/encrypt/{TRANSIT_KEY}", {"plaintext": plaintext})["data"]["ciphertext"]
        kv.put("key", wrapped)
        assert kv.open().get("key") == ENTRY.encode()

    def test_after_a_rotation_of_the_transit_key_old_entries_open_and_new_ones_use_it(self, kv: Site) -> None:
        key = f"rotated-{kv.layout.version}"
        kv.bao.transit(key)
        kv.layout = replace(kv.layout, transit=("transit", key))
        store = kv.open()
        store.create("old", b"old")
        store.create("changed", b"first")
        kv.bao.call("POST", f"transit/keys/{key}/rotate")
        assert store.get("old") == b"old"
        store.replace("changed", b"first", b"second")
        store.create("new", b"new")
        newest = kv.fields("changed", version=2) if kv.layout.version == 2 else kv.fields("changed")
        assert newest["changed"].startswith("vault:v2:")
        assert kv.fields("new")["new"].startswith("vault:v2:")
        assert kv.fields("old")["old"].startswith("vault:v1:")
        kv.bao.call("POST", f"transit/keys/{key}/config", {"min_decryption_version": 2})
        with pytest.raises(Unreachable, match="disallowed by policy"):
            store.get("old")
        assert store.get("changed") == b"second"

    def test_a_plain_entry_is_not_trusted(self, kv: Site) -> None:
        kv.put("key", ENTRY)
        with pytest.raises(Unreachable, match="is not wrapped, and keystore"):
            kv.open().get("key")

    def test_a_wrapped_entry_without_the_setting(self, kv: Site) -> None:
        kv.open().create("key", b"entry")
        kv.layout = replace(kv.layout, transit=None)
        store = kv.open()
        with pytest.raises(Unreachable, match="is wrapped by a transit key: set keystore"):
            store.get("key")
        with pytest.raises(KeyExists):
            store.create("key", b"other")

    def test_an_altered_entry_does_not_open(self, kv: Site) -> None:
        store = kv.open()
        store.create("key", b"entry")
        stored = kv.fields("key")["key"]
        kv.put("moved", stored[:-2] + ("A" if stored[-2] != "A" else "B") + stored[-1])
        with pytest.raises(Unreachable, match="authentication failed"):
            store.get("moved")

    def test_a_transit_key_that_is_not_there_is_seen_when_the_store_is_opened(self, kv: Site) -> None:
        kv.bao.policy("least", 'path "kv*" { capabilities = ["read", "list"] }\n')
        kv.role = kv.bao.approle("least", ["least"])
        with pytest.raises(Unreachable, match=f"needs update on transit/encrypt/{TRANSIT_KEY}"):
            kv.open()
