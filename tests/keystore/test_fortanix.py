"""The Fortanix DSM store keeps the interface and the layout, on a strict fake."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from openkes.keystore import KeyNotFound, KeyStore, Unreachable
from openkes.keystore.fortanix import FortanixStore
from tests.keystore.fakes.fortanix import FOREIGN_GROUP, GROUP, KEY, Fortanix
from tests.keystore.fakes.service import Request, Server
from tests.keystore.vendor import ENTRY, Vendor, VendorTests, wrong


def held(service: Fortanix) -> dict[str, bytes]:
    return {found["name"]: base64.b64decode(found["value"]) for found in service.objects.values()}


def section(keystore: dict[str, Any], url: str, folder: Path) -> None:
    (folder / "key").touch(0o600)
    (folder / "key").write_text(KEY)
    settings = keystore["fortanix"]["sdkms"]
    settings |= {"endpoint": url, "group_id": GROUP, "credentials": {"key": {"file": str(folder / "key")}}}
    del settings["tls"]


class TestFortanix(VendorTests[Fortanix]):
    vendor = Vendor(
        page="fortanix",
        service=Fortanix,
        store=lambda url, seconds: FortanixStore(url, lambda: KEY, GROUP, seconds=seconds),
        put=lambda service, name, value: service.put(name, value, key_ops=["EXPORT"]),
        held=held,
        creates=lambda request: request.method == "PUT",
        reads=lambda request: request.path.endswith("/export"),
        deletes=lambda request: request.method == "DELETE",
        needs={
            "list": "list security objects",
            "create": "create security objects",
            "delete": "permission to delete",
            "get": "permission to export",
        },
        section=section,
        secrets=(KEY,),
    )

    def test_a_key_is_an_exportable_secret_that_the_application_can_delete(
        self, service: Fortanix, store: KeyStore
    ) -> None:
        store.create("key", ENTRY)
        found = service.named("key")
        assert (found["obj_type"], found["group_id"], found["enabled"]) == ("SECRET", GROUP, True)
        assert sorted(found["key_ops"]) == ["APPMANAGEABLE", "EXPORT"]

    def test_without_a_group_the_default_one_counts(self, service: Fortanix, server: Server) -> None:
        store = FortanixStore(server.url, lambda: KEY)
        store.create("key", ENTRY)
        assert store.get("key") == ENTRY
        assert all("group_id" not in {**request.query, **(request.body or {})} for request in service.requests)

    def test_a_name_that_another_group_has_is_explained(self, service: Fortanix, store: KeyStore) -> None:
        service.put("key", ENTRY, group_id=FOREIGN_GROUP)
        with pytest.raises(KeyNotFound):
            store.get("key")
        with pytest.raises(Unreachable, match=r"409: sobject already exists.*it is in another group"):
            store.create("key", ENTRY)

    @pytest.mark.parametrize(
        ("other", "why"),
        [
            ({"state": "Deactivated"}, "is Deactivated: make it active again"),
            ({"state": "Destroyed"}, "is Destroyed"),
            ({"enabled": False}, "is disabled: enable it again"),
            ({"obj_type": "AES"}, "is of type AES: it is no entry"),
            ({"value": ""}, "holds no entry"),
            ({"value": "%%%"}, "holds no entry"),
        ],
    )
    def test_an_object_that_cannot_be_used_is_not_absent(
        self, service: Fortanix, store: KeyStore, other: dict[str, Any], why: str
    ) -> None:
        service.put("key", ENTRY)
        service.named("key").update(other)
        with pytest.raises(Unreachable, match=why):
            store.get("key")

    def test_an_object_without_states_is_read(self, service: Fortanix, store: KeyStore) -> None:
        service.put("key", ENTRY)
        del service.named("key")["state"]
        assert store.get("key") == ENTRY

    def test_what_upstream_made_without_leave_to_delete_it(self, service: Fortanix, store: KeyStore) -> None:
        service.put("key", ENTRY, key_ops=["EXPORT"])
        with pytest.raises(Unreachable, match="key operation APPMANAGEABLE"):
            store.delete("key")
        assert store.get("key") == ENTRY

    def test_other_objects_of_the_group_are_not_listed(self, service: Fortanix, store: KeyStore) -> None:
        service.put("key", ENTRY)
        service.put("a-certificate", ENTRY, obj_type="CERTIFICATE")
        service.put("not a name", ENTRY)
        assert store.list("", 10).names == ["key"]

    def test_a_list_does_not_miss_names_when_others_go_meanwhile(
        self, service: Fortanix, store: KeyStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("openkes.keystore.fortanix._PAGE", 10)
        kids = [service.put(f"key-{i:03d}", ENTRY) for i in range(50)]
        answer = service.answer

        def losing_one(request: Request) -> Any:
            reply = answer(request)
            service.objects.pop(kids.pop(0))
            return reply

        monkeypatch.setattr(service, "answer", losing_one)
        assert set(store.list("", 100).names) >= {f"key-{i:03d}" for i in range(10, 50)}

    def test_a_key_that_is_replaced_works_at_once(self, service: Fortanix, server: Server) -> None:
        key = "another"
        store = FortanixStore(server.url, lambda: key, GROUP)
        with pytest.raises(Unreachable, match=r"permission refused \(401: Invalid credentials\)"):
            store.status()
        key = f"Basic {KEY}"  # as DSM shows it for use in a header
        store.status()

    def test_a_key_with_a_line_break_is_named_and_not_shown(self, server: Server) -> None:
        store = FortanixStore(server.url, lambda: f"{KEY}\nX-Other: 1", GROUP)
        with pytest.raises(Unreachable, match="characters that no API key has") as error:
            store.status()
        assert KEY not in str(error.value)


@pytest.mark.parametrize(
    ("change", "text", "hint"),
    [
        (lambda k: k["sdkms"].pop("endpoint"), "'keystore.fortanix.sdkms.endpoint' is missing", "name the server"),
        (lambda k: k["sdkms"].pop("credentials"), "credentials.key' is missing", "API key of the application"),
        (lambda k: k["sdkms"]["credentials"].pop("key"), "credentials.key' is missing", "API key of the application"),
        (lambda k: k["sdkms"].update(endpoint="http://dsm.example.com"), "in the clear", "write https://"),
        (lambda k: k["sdkms"].update(grup_id="x"), "unknown key 'keystore.fortanix.sdkms.grup_id'", "'group_id'"),
        (lambda k: k["sdkms"]["tls"].update(cert="c"), "'keystore.fortanix.sdkms.tls.key' is missing", "pair"),
    ],
)
def test_settings_that_are_wrong(tmp_path: Path, change: Any, text: str, hint: str) -> None:
    error = wrong("fortanix", lambda keystore: change(keystore["fortanix"]), tmp_path)
    assert f"{tmp_path}/config.yml:" in str(error)
    assert text in str(error)
    assert hint in error.hint
