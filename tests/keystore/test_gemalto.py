"""The CipherTrust Manager store keeps the interface and the layout, on a strict fake."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from openkes.keystore import KeyStore, Unreachable
from openkes.keystore.gemalto import GemaltoStore
from openkes.keystore.gemalto.login import life
from tests.keystore.fakes.gemalto import REFRESH, Gemalto
from tests.keystore.fakes.service import Fault, Reply, Request, Server
from tests.keystore.faulty import wait_for
from tests.keystore.vendor import ENTRY, Vendor, VendorTests, wrong


def held(service: Gemalto) -> dict[str, bytes]:
    return {found["name"]: base64.b64decode(found["material"]) for found in service.secrets.values()}


def section(keystore: dict[str, Any], url: str, folder: Path) -> None:
    (folder / "token").touch(0o600)
    (folder / "token").write_text(REFRESH)
    settings = keystore["gemalto"]["keysecure"]
    settings |= {"endpoint": url}
    settings["credentials"] |= {"token": {"file": str(folder / "token")}, "domain": ""}
    del settings["tls"]


def is_login(request: Request) -> bool:
    return request.path == "/api/v1/auth/tokens"


class TestGemalto(VendorTests[Gemalto]):
    vendor = Vendor(
        page="gemalto",
        service=Gemalto,
        store=lambda url, seconds: GemaltoStore(url, lambda: REFRESH, pause=0.05, seconds=seconds),
        put=lambda service, name, value: service.put(name, value),
        held=held,
        creates=lambda request: request.method == "POST" and request.path == "/api/v1/vault/secrets",
        reads=lambda request: request.path.endswith("/export"),
        deletes=lambda request: request.method == "DELETE",
        needs={
            "list": "list secrets in this domain",
            "create": "create secrets in this domain",
            "delete": "may delete it",
            "get": "may export it",
        },
        section=section,
        secrets=(REFRESH,),
    )

    def test_a_key_is_an_opaque_object(self, service: Gemalto, store: KeyStore) -> None:
        store.create("key", ENTRY)
        created = next(request for request in service.requests if self.vendor.creates(request))
        assert created.body == {"name": "key", "dataType": "blob", "material": base64.b64encode(ENTRY).decode()}

    @pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
    def test_both_alphabets_of_base64_are_read(self, service: Gemalto, store: KeyStore, encode: Any) -> None:
        service.put("key", b"")
        service.named("key")["material"] = encode(b"\xff\xfe\xfd" * 8).decode()
        assert store.get("key") == b"\xff\xfe\xfd" * 8

    @pytest.mark.parametrize(
        ("other", "why"),
        [
            ({"state": "Deactivated"}, "is Deactivated there: activate it again"),
            ({"state": "Destroyed"}, "is Destroyed"),
            ({"material": ""}, "holds no entry"),
            ({"material": None}, "holds no entry"),
            ({"material": "%%%"}, "holds no entry"),
        ],
    )
    def test_a_secret_that_cannot_be_used_is_not_absent(
        self, service: Gemalto, store: KeyStore, other: dict[str, Any], why: str
    ) -> None:
        service.put("key", ENTRY)
        service.named("key").update(other)
        with pytest.raises(Unreachable, match=why):
            store.get("key")

    def test_versions_of_a_secret_are_one_name(self, service: Gemalto, store: KeyStore) -> None:
        service.put("key", ENTRY)
        service.put("key", ENTRY, version=1)
        assert store.list("", 10).names == ["key"]

    def test_a_list_misses_nothing_when_others_go_and_come_meanwhile(
        self, service: Gemalto, store: KeyStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("openkes.keystore.gemalto.objects._PAGE", 10)
        made = [service.put(f"key-{i:03d}", ENTRY) for i in range(50)]
        answer, changes = service.answer, [made[0], made[1]]

        def changing(request: Request) -> Reply:
            reply = answer(request)
            if request.method == "GET" and changes:
                del service.secrets[changes.pop()]
                service.put(f"new-{len(changes)}", ENTRY)  # so that their number does not tell
            return reply

        monkeypatch.setattr(service, "answer", changing)
        assert store.list("", 100).names == [*(f"key-{i:03d}" for i in range(2, 50)), "new-0", "new-1"]

    def test_a_list_that_changes_all_the_time_ends(
        self, service: Gemalto, store: KeyStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("openkes.keystore.gemalto.objects._PAGE", 10)
        made = [service.put(f"key-{i:03d}", ENTRY) for i in range(50)]
        answer = service.answer

        def changing(request: Request) -> Reply:
            reply = answer(request)
            if request.method == "GET":
                del service.secrets[made.pop(0)]
            return reply

        monkeypatch.setattr(service, "answer", changing)
        with pytest.raises(Unreachable, match="changes faster than it can be read"):
            store.list("", 100)

    def test_a_taken_name_that_is_not_shown_is_explained(self, service: Gemalto, store: KeyStore) -> None:
        service.put("key", ENTRY)
        answer = service.answer
        service.answer = lambda request: (  # type: ignore[method-assign]
            Reply(404, {"code": 5, "codeDesc": "NCERRNotFound"}) if self.vendor.reads(request) else answer(request)
        )
        with pytest.raises(Unreachable, match=r"409: NCERRConflict.*may belong to another user"):
            store.create("key", ENTRY)

    # The login

    def test_one_login_serves_many_calls(self, service: Gemalto, store: KeyStore) -> None:
        store.create("key", ENTRY)
        for _ in range(5):
            store.get("key")
        assert service.count()["POST /api/v1/auth/tokens"] == 1

    def test_tokens_of_a_second_are_renewed_without_a_failed_call(self, service: Gemalto, store: KeyStore) -> None:
        service.seconds = 1.0
        store.create("key", ENTRY)
        while len(service.tokens) < 5:
            assert store.get("key") == ENTRY
            assert store.list("", 10).names == ["key"]
        assert store.token_expires_in() <= 1.0  # type: ignore[attr-defined]

    def test_a_token_that_was_revoked_is_renewed_by_the_call(self, service: Gemalto, store: KeyStore) -> None:
        store.create("key", ENTRY)
        service.tokens.clear()
        assert store.get("key") == ENTRY

    def test_the_domain_is_part_of_the_login(self, service: Gemalto, server: Server) -> None:
        service.domain = "minio"
        store = GemaltoStore(server.url, lambda: REFRESH, "minio")
        store.create("key", ENTRY)
        assert store.get("key") == ENTRY
        store.close()

    def test_a_refresh_token_that_is_refused_says_what_to_do_and_is_not_shown(
        self, service: Gemalto, server: Server
    ) -> None:
        store = GemaltoStore(server.url, lambda: "another")
        for _ in range(3):
            with pytest.raises(Unreachable, match=r"the login was refused \(401\): make a new refresh token") as error:
                store.get("key")
            assert "another" not in str(error.value)
        assert service.count()["POST /api/v1/auth/tokens"] == 1
        store.close()

    def test_a_login_that_is_away_is_tried_again(self, service: Gemalto, store: KeyStore) -> None:
        service.put("key", ENTRY)
        service.fail(Fault.AWAY, 2, is_login)

        def works() -> bool:
            try:
                return store.get("key") == ENTRY
            except Unreachable as error:
                assert "the login was answered with 503" in str(error)
                return False

        wait_for(works)

    def test_a_login_that_is_silent_ends(
        self, service: Gemalto, store: KeyStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("openkes.keystore.rest.LOGIN_SECONDS", 0.3)
        service.fail(Fault.SILENT, 10, is_login)
        with pytest.raises(Unreachable, match="no answer in time"):
            store.get("key")


@pytest.mark.parametrize(
    ("claims", "seconds"),
    [('{"iat": 1481124280, "exp": 1481124580}', 300.0), ('{"iat": 1, "exp": 61.5}', 60.5), ("{}", 300.0), ("x", 300.0)],
)
def test_a_token_tells_how_long_it_lasts(claims: str, seconds: float) -> None:
    middle = base64.urlsafe_b64encode(claims.encode()).decode().rstrip("=")
    assert life(f"e30.{middle}.c2ln") == seconds
    assert life("no token") == 300.0


@pytest.mark.parametrize(
    ("change", "text", "hint"),
    [
        (lambda k: k.pop("endpoint"), "'keystore.gemalto.keysecure.endpoint' is missing", "name the server"),
        (lambda k: k.pop("credentials"), "credentials.token' is missing", "refresh token"),
        (lambda k: k["credentials"].pop("token"), "credentials.token' is missing", "refresh token"),
        (lambda k: k["credentials"].update(retry="soon"), "'keystore.gemalto.keysecure.credentials.retry' is", "5m0s"),
        (lambda k: k["credentials"].update(retry="0s"), "credentials.retry' is '0s'", "one second to one minute"),
        (lambda k: k.update(endpoint="ciphertrust.example.com"), "'keystore.gemalto.keysecure.endpoint' is", "a URL"),
        (lambda k: k["credentials"].update(tokn="x"), "unknown key", "'token'"),
    ],
)
def test_settings_that_are_wrong(tmp_path: Path, change: Any, text: str, hint: str) -> None:
    error = wrong("gemalto", lambda keystore: change(keystore["gemalto"]["keysecure"]), tmp_path)
    assert f"{tmp_path}/config.yml:" in str(error)
    assert text in str(error)
    assert hint in error.hint
