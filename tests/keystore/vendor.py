"""What the key stores behind a vendor's API keep beyond the interface: each fault of network and permission, and what
their pages show."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import pytest
import trustme
import yaml

from openkes.cli.checks import check_store
from openkes.config.load import load_keystore
from openkes.config.schema import KeyStoreSettings
from openkes.errors import OperatorError
from openkes.keystore import KeyExists, KeyStore, Unreachable
from openkes.keystore.generations import SECONDS
from tests.keystore.conformance import Conformance
from tests.keystore.fakes.service import Fault, Request, Server, Service, serving
from tests.keystore.moving import there_and_back
from tests.keystore.pages import configuration
from tests.keystore.shared import Shared

TOO_LONG = 8.0  # seconds for a call that may take a fraction of one, on a loaded machine
ENTRY = b"CiQKIPWxZSJKWLeR32rx2DA+Yc3Eu4bD0cQnEDw0TEGJ6y8eEAES"
S = TypeVar("S", bound=Service)


@dataclass(frozen=True)
class Vendor(Generic[S]):
    """How to speak to the fake of one vendor. `held`: names to the bytes that are stored. `needs`: what a permission
    of the fake is called in the text of an error."""

    page: str
    service: Callable[[], S]
    store: Callable[[str, float], KeyStore]
    put: Callable[[S, str, bytes], object]
    held: Callable[[S], dict[str, bytes]]
    creates: Callable[[Request], bool]
    reads: Callable[[Request], bool]
    deletes: Callable[[Request], bool]
    needs: dict[str, str]
    section: Callable[[dict[str, Any], str, Path], None]
    secrets: tuple[str, ...]


class VendorTests(Conformance, Shared, Generic[S]):
    """A subclass says `vendor`."""

    vendor: Vendor[S]

    @pytest.fixture
    def service(self) -> S:
        return self.vendor.service()

    @pytest.fixture
    def server(self, service: S) -> Iterator[Server]:
        with serving(service) as server:
            yield server

    @pytest.fixture
    def store(self, server: Server) -> Iterator[KeyStore]:
        with self.opened(server) as store:
            yield store

    @pytest.fixture
    def again(self, server: Server) -> Iterator[KeyStore]:
        """Of another key server."""
        with self.opened(server) as store:
            yield store

    @contextmanager
    def opened(self, server: Server, seconds: float = SECONDS) -> Iterator[KeyStore]:
        store = self.vendor.store(server.url, seconds)
        yield store
        store.close()

    # Layout

    def test_what_upstream_wrote_is_read(self, service: S, store: KeyStore) -> None:
        self.vendor.put(service, "key", ENTRY)
        assert store.get("key") == ENTRY
        assert store.list("", 10).names == ["key"]

    def test_an_entry_is_one_object_of_its_name(self, service: S, store: KeyStore) -> None:
        store.create("key", ENTRY)
        assert self.vendor.held(service) == {"key": ENTRY}

    def test_upstream_goes_on_to_read_the_first_value(self, service: S, store: KeyStore) -> None:
        store.create("key", ENTRY)
        store.replace("key", ENTRY, b"changed")
        assert self.vendor.held(service)["key"] == ENTRY
        assert sorted(self.vendor.held(service).values()) == sorted([ENTRY, b"changed"])
        assert store.get("key") == b"changed"

    def test_a_delete_leaves_nothing_of_a_changed_key(self, service: S, store: KeyStore) -> None:
        store.create("key", ENTRY)
        store.replace("key", ENTRY, b"changed")
        store.delete("key")
        assert self.vendor.held(service) == {}

    def test_a_list_of_5000_names(self, service: S, store: KeyStore) -> None:
        names = [f"key-{i:04d}" for i in range(5_000)]
        for name in names:
            self.vendor.put(service, name, ENTRY)
        assert store.list("", 10_000).names == names
        assert store.list("key-4", 3, "key-41").names == ["key-4100", "key-4101", "key-4102"]

    # Network

    def test_nobody_there_and_there_again(self, server: Server, service: S, store: KeyStore) -> None:
        store.create("key", ENTRY)
        server.stop()
        for call in (lambda: store.get("key"), lambda: store.list("", 1), store.status):
            with pytest.raises(Unreachable, match=server.url):
                call()
        again = server.again()
        try:
            assert store.get("key") == ENTRY
        finally:
            again.stop()

    def test_a_service_that_is_silent_does_not_hold_a_call(self, server: Server, service: S) -> None:
        service.fail(Fault.SILENT, 100)
        with self.opened(server, 0.3) as store:
            begin = time.monotonic()
            with pytest.raises(Unreachable, match="no answer in time"):
                store.get("key")
            assert time.monotonic() - begin < TOO_LONG

    @pytest.mark.parametrize("fault", [Fault.AWAY, Fault.BROKEN, Fault.DROPPED])
    def test_a_service_that_fails_is_unreachable_and_no_key_is_lost(
        self, service: S, store: KeyStore, fault: Fault
    ) -> None:
        store.create("key", ENTRY)
        service.fail(fault, 100)
        calls: list[Callable[[], object]] = [
            lambda: store.get("key"),
            lambda: store.create("other", ENTRY),
            lambda: store.replace("key", ENTRY, b"changed"),
            lambda: store.list("", 1),
            store.status,
        ]
        for call in calls:
            with pytest.raises(Unreachable):
                call()
        service.heal()
        assert store.get("key") == ENTRY

    def test_a_connection_that_was_idle_for_too_long_is_made_anew(self, service: S, store: KeyStore) -> None:
        store.create("key", ENTRY)
        service.fail(Fault.DROPPED, 1, self.vendor.reads)
        assert store.get("key") == ENTRY

    @pytest.mark.parametrize("fault", [Fault.DROPPED_AFTER, Fault.BROKEN])
    def test_a_create_whose_answer_is_lost_is_done(self, service: S, store: KeyStore, fault: Fault) -> None:
        service.fail(fault, 1, self.vendor.creates)
        store.create("key", ENTRY)
        assert self.vendor.held(service) == {"key": ENTRY}

    def test_a_create_that_is_lost_can_be_done_again(self, service: S, store: KeyStore) -> None:
        store.status()
        service.fail(Fault.DROPPED, 1, self.vendor.creates)
        with pytest.raises(Unreachable):
            store.create("key", ENTRY)
        assert self.vendor.held(service) == {}
        store.create("key", ENTRY)
        assert store.get("key") == ENTRY

    @pytest.mark.parametrize("fault", [Fault.DROPPED_AFTER, Fault.BROKEN, Fault.DROPPED])
    def test_a_taken_name_is_taken_whatever_is_lost(self, service: S, store: KeyStore, fault: Fault) -> None:
        store.create("key", b"other")
        service.fail(fault, 1, self.vendor.creates)
        with pytest.raises(KeyExists):
            store.create("key", ENTRY)
        assert store.get("key") == b"other"

    @pytest.mark.parametrize("fault", [Fault.DROPPED_AFTER, Fault.BROKEN])
    def test_a_replace_whose_answer_is_lost_is_done_once(self, service: S, store: KeyStore, fault: Fault) -> None:
        store.create("key", ENTRY)
        service.fail(fault, 1, self.vendor.creates)
        store.replace("key", ENTRY, b"changed")
        assert store.get("key") == b"changed"
        assert len(self.vendor.held(service)) == 2

    @pytest.mark.parametrize("fault", [Fault.DROPPED_AFTER, Fault.BROKEN])
    def test_a_delete_whose_answer_is_lost_is_done(self, service: S, store: KeyStore, fault: Fault) -> None:
        store.create("key", ENTRY)
        service.fail(fault, 1, self.vendor.deletes)
        store.delete("key")
        assert self.vendor.held(service) == {}

    def test_a_delete_that_is_lost_leaves_the_key(self, service: S, store: KeyStore) -> None:
        store.create("key", ENTRY)
        service.fail(Fault.DROPPED, 1, self.vendor.deletes)
        with pytest.raises(Unreachable):
            store.delete("key")
        assert store.get("key") == ENTRY

    # Permissions

    @pytest.mark.parametrize(("call", "permission"), [("list", "list"), ("create", "create"), ("delete", "delete")])
    def test_check_names_the_permission_that_is_missing(
        self, service: Any, server: Server, tmp_path: Path, call: str, permission: str
    ) -> None:
        service.permissions -= {permission}
        with pytest.raises(OperatorError, match=f"cannot {call} .*permission refused.*{self.vendor.needs[call]}"):
            check_store(self.settings(server, tmp_path))

    def test_a_key_that_may_not_be_read_is_not_absent(self, service: Any, server: Server, tmp_path: Path) -> None:
        with self.opened(server) as store:
            store.create("key", ENTRY)
            service.permissions -= {"export", "checkout"}
            with pytest.raises(Unreachable, match=f"permission refused.*{self.vendor.needs['get']}"):
                store.get("key")

    def test_the_check_leaves_nothing_behind(self, service: S, server: Server, tmp_path: Path) -> None:
        assert check_store(self.settings(server, tmp_path)).endswith("create, read, list and delete work")
        assert self.vendor.held(service) == {}

    # The page

    def written(self, server: Server, folder: Path) -> dict[str, Any]:
        """The section `keystore` of the page, with another endpoint, other paths and secrets."""
        section: dict[str, Any] = configuration(self.vendor.page)["keystore"]
        self.vendor.section(section, server.url, folder)
        return section

    def settings(self, server: Server, folder: Path) -> KeyStoreSettings:
        (folder / "config.yml").write_text(yaml.safe_dump({"keystore": self.written(server, folder)}))
        return load_keystore(folder / "config.yml")

    def test_the_configuration_of_the_page_works(self, server: Server, tmp_path: Path) -> None:
        settings = self.settings(server, tmp_path)
        store = settings.open()
        try:
            store.create("key", ENTRY)
            assert store.get("key") == ENTRY
        finally:
            store.close()
        assert settings.place() == self.settings(server, tmp_path).place()
        for secret in self.vendor.secrets:
            assert secret not in repr(settings) + settings.describe() + repr(settings.place())

    def test_what_may_be_left_empty(self, server: Server, tmp_path: Path) -> None:
        """As in upstream's sample of a configuration."""
        section = self.written(server, tmp_path)
        first, second = next((first, second) for first, inner in section.items() for second in inner)
        section[first][second]["tls"] = {"ca": "", "key": "", "cert": ""}
        settings = section[first][second]
        settings |= {name: "" for name in ("group_id",) if name in settings}
        settings["credentials"] |= {name: "" for name in ("domain", "retry") if name in settings["credentials"]}
        (tmp_path / "config.yml").write_text(yaml.safe_dump({"keystore": section}))
        load_keystore(tmp_path / "config.yml")

    def test_the_service_must_have_a_certificate_that_is_trusted(self, service: S, tmp_path: Path) -> None:
        trusted, foreign = trustme.CA(), trustme.CA()
        for name, authority in (("ca.pem", trusted), ("foreign.pem", foreign)):
            authority.cert_pem.write_to_path(tmp_path / name)
        with serving(service, trusted) as server:
            section = self.written(server, tmp_path)
            first, second = next((first, second) for first, inner in section.items() for second in inner)
            for ca, good in (("ca.pem", True), ("foreign.pem", False)):
                section[first][second]["tls"] = {"ca": str(tmp_path / ca)}
                (tmp_path / "config.yml").write_text(yaml.safe_dump({"keystore": section}))
                store = load_keystore(tmp_path / "config.yml").open()
                if good:
                    store.status()
                else:
                    with pytest.raises(Unreachable, match="its certificate is not trusted"):
                        store.status()
                store.close()

    def test_keys_move_in_and_out_byte_for_byte(self, server: Server, tmp_path: Path) -> None:
        there_and_back(tmp_path, self.written(server, tmp_path))


def wrong(page: str, change: Callable[[dict[str, Any]], None], folder: Path) -> OperatorError:
    """What is said of the page's configuration after `change`."""
    document = copy.deepcopy(configuration(page))
    change(document["keystore"])
    (folder / "config.yml").write_text(yaml.safe_dump(document))
    with pytest.raises(OperatorError) as error:
        load_keystore(folder / "config.yml")
    return error.value
