"""The Entrust KeyControl store keeps the interface and the layout, on a strict fake."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from openkes.keystore import KeyNotFound, KeyStore, Unreachable
from openkes.keystore.entrust import EntrustStore
from openkes.keystore.entrust.login import life
from tests.keystore.fakes.entrust import BOX, BOX_ID, PASSWORD, USER, VAULT, Entrust
from tests.keystore.fakes.service import Reply, Request, Server
from tests.keystore.vendor import ENTRY, Vendor, VendorTests, wrong


def held(service: Entrust) -> dict[str, bytes]:
    return {found["name"]: base64.b64decode(found["secret_data"]) for found in service.secrets.values()}


def section(keystore: dict[str, Any], url: str, folder: Path) -> None:
    for name, text in (("username", USER), ("password", PASSWORD)):
        (folder / name).touch(0o600)
        (folder / name).write_text(text)
    settings = keystore["entrust"]["keycontrol"]
    settings |= {"endpoint": url, "vault_id": VAULT, "box_id": BOX}
    settings["credentials"] = {"username": USER, "password": {"file": str(folder / "password")}}
    del settings["tls"]


def opened(server: Server, box: str = BOX, password: str = PASSWORD) -> EntrustStore:
    return EntrustStore(server.url, VAULT, box, lambda: USER, lambda: password)


class TestEntrust(VendorTests[Entrust]):
    vendor = Vendor(
        page="entrust",
        service=Entrust,
        store=lambda url, seconds: EntrustStore(url, VAULT, BOX, lambda: USER, lambda: PASSWORD, seconds=seconds),
        put=lambda service, name, value: service.put(name, base64.b64encode(value).decode()),
        held=held,
        creates=lambda request: request.path == "/vault/1.0/CreateSecret/",
        reads=lambda request: request.path == "/vault/1.0/CheckoutSecret/",
        deletes=lambda request: request.path == "/vault/1.0/DeleteSecret/",
        needs={
            "list": "role Vault User",
            "create": "role Vault Box Admin for the box minio",
            "delete": "role Vault Box Admin for the box minio",
            "get": "role Vault User for all secrets of the box minio",
        },
        section=section,
        secrets=(PASSWORD,),
    )

    def test_a_secret_never_expires_and_is_not_checked_out_by_one_alone(
        self, service: Entrust, store: KeyStore
    ) -> None:
        store.create("key", ENTRY)
        assert service.named("key")["expires_at"] is None
        assert service.named("key")["exclusive_checkout"] is False

    def test_the_box_can_be_given_by_its_id(self, service: Entrust, server: Server) -> None:
        store = opened(server, BOX_ID)
        store.create("key", ENTRY)
        assert store.list("", 10).names == ["key"]
        store.close()

    def test_an_id_that_a_checkout_does_not_tell_is_asked_for(self, service: Entrust, store: KeyStore) -> None:
        service.tells_id = False
        store.create("key", ENTRY)
        assert store.get("key") == ENTRY
        store.delete("key")
        assert service.secrets == {}

    def test_a_list_without_any_secret_may_be_answered_as_not_found(self, service: Entrust, store: KeyStore) -> None:
        service.empty_is_absent = True
        service.put("a text so that the box is not empty", "")
        assert store.list("", 10).names == []
        assert store.list("key", 10).names == []
        with pytest.raises(KeyNotFound):
            store.get("key")
        store.create("key", ENTRY)
        assert store.get("key") == ENTRY

    def test_an_empty_box_that_looks_forbidden_says_what_to_do(self, service: Entrust, store: KeyStore) -> None:
        service.empty_is_absent = True
        with pytest.raises(Unreachable, match="or none in it: then put any text into it"):
            store.list("", 10)

    @pytest.mark.parametrize("empty_is_absent", [False, True])
    def test_without_any_permission_nothing_is_absent(
        self, service: Entrust, store: KeyStore, empty_is_absent: bool
    ) -> None:
        """A policy that was taken away must not look like an empty store."""
        store.create("key", ENTRY)
        service.permissions = frozenset()
        service.empty_is_absent = empty_is_absent
        for call in (lambda: store.get("key"), lambda: store.get("other"), lambda: store.list("", 1), store.status):
            with pytest.raises(Unreachable, match="permission refused"):
                call()

    def test_a_box_that_is_not_there(self, server: Server) -> None:
        store = opened(server, "other")
        with pytest.raises(Unreachable, match=r"permission refused to list the secrets .*there is no such box"):
            store.get("key")
        store.close()

    @pytest.mark.parametrize("data", ["", "%%%", None, {"user": "x"}])
    def test_a_secret_that_is_no_entry_is_not_absent(self, service: Entrust, store: KeyStore, data: Any) -> None:
        service.put("key", data)
        with pytest.raises(Unreachable, match="the secret key holds no entry"):
            store.get("key")

    def test_a_refusal_says_why_and_never_shows_the_entry(
        self, service: Entrust, store: KeyStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answer = service.answer

        def refusing(words: str) -> None:
            def refuse(request: Request) -> Reply:
                return Reply(400, {"error": words}) if self.vendor.creates(request) else answer(request)

            monkeypatch.setattr(service, "answer", refuse)

        refusing("secret is too long")
        with pytest.raises(Unreachable, match=r"does not take the secret key \(400: secret is too long\)"):
            store.create("key", ENTRY)
        sent = base64.b64encode(ENTRY).decode()
        refusing(f"unexpected {sent[:20]} at 17")
        with pytest.raises(Unreachable, match=r"does not take the secret key \(400\)") as error:
            store.create("key", ENTRY)
        assert sent[:12] not in str(error.value)

    def test_a_list_that_goes_round_in_circles_ends(
        self, service: Entrust, store: KeyStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answer = service.answer

        def circling(request: Request) -> Reply:
            if request.path != "/vault/1.0/ListSecretIds/":
                return answer(request)
            return Reply(200, {"secret_list": [], "next_token": "again"})

        monkeypatch.setattr(service, "answer", circling)
        with pytest.raises(Unreachable, match="goes round in circles"):
            store.list("", 10)

    # The login

    def test_a_session_that_ended_is_renewed_by_the_call(self, service: Entrust, store: KeyStore) -> None:
        service.seconds = 0.2  # its announced end is not believed below ten seconds, which are for wrong clocks
        store.create("key", ENTRY)
        while service.count()[f"POST /vault/1.0/Login/{VAULT}/"] < 4:
            assert store.get("key") == ENTRY

    def test_a_password_that_is_refused_is_tried_once_and_not_shown(self, service: Entrust, server: Server) -> None:
        """KeyControl locks a user who fails a few times."""
        store = opened(server, password="Tr0ub4dor&3")
        for _ in range(5):
            with pytest.raises(
                Unreachable, match=r"the login was refused \(401\): .*credentials must be a user"
            ) as error:
                store.get("key")
            assert "Tr0ub4dor&3" not in str(error.value)
        assert service.count() == {f"POST /vault/1.0/Login/{VAULT}/": 1}
        store.close()

    def test_how_long_the_session_lasts_is_told(self, store: KeyStore) -> None:
        store.status()
        left = store.token_expires_in()  # type: ignore[attr-defined]
        assert 1_600 < left <= 1_801


DATE = "Wed, 25 Nov 2026 21:00:00 GMT"


@pytest.mark.parametrize(
    ("ends", "date", "seconds"),
    [
        ("2026-11-25T21:30:00+00:00", DATE, 1800.0),
        ("2026-11-25T21:30:00Z", DATE, 1800.0),
        ("2026-11-25T22:30:00.5+01:00", DATE, 1800.5),
        ("2026-11-25T20:00:00Z", DATE, 10.0),
        ("2026-11-25T21:30:00Z", "yesterday", 10.0),
        ("soon", DATE, 10.0),
        (None, None, 10.0),
    ],
)
def test_the_end_of_a_session_by_the_clock_of_the_server(ends: Any, date: str | None, seconds: float) -> None:
    assert life(ends, date) == seconds


@pytest.mark.parametrize(
    ("change", "text", "hint"),
    [
        (lambda k: k.pop("endpoint"), "'keystore.entrust.keycontrol.endpoint' is missing", "name the server"),
        (lambda k: k.pop("vault_id"), "'keystore.entrust.keycontrol.vault_id' is missing", "login URL"),
        (lambda k: k.pop("box_id"), "'keystore.entrust.keycontrol.box_id' is missing", "a box for the keys"),
        (lambda k: k.pop("credentials"), "credentials.username' is missing", "both"),
        (lambda k: k["credentials"].pop("password"), "credentials.password' is missing", "both"),
        (lambda k: k["credentials"].update(token="x"), "unknown key", "password"),
        (lambda k: k.update(box_id=""), "'keystore.entrust.keycontrol.box_id' is missing", "a box"),
    ],
)
def test_settings_that_are_wrong(tmp_path: Path, change: Any, text: str, hint: str) -> None:
    error = wrong("entrust", lambda keystore: change(keystore["entrust"]["keycontrol"]), tmp_path)
    assert f"{tmp_path}/config.yml:" in str(error)
    assert text in str(error)
    assert hint in error.hint
