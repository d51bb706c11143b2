"""The Google Secret Manager store keeps the interface, on a strict fake of the service."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from openkes.keystore import KeyExists, KeyNotFound, KeyStore, Unreachable, attempts
from openkes.keystore import gcp as gcp_store
from openkes.keystore.gcp import GCPStore, chain, client
from openkes.keystore.gcp.chain import Current
from openkes.keystore.gcp.client import Account
from openkes.keystore.probe import probe
from tests.keystore.conformance import Conformance
from tests.keystore.fakes.cloud import Cloud, up
from tests.keystore.fakes.gcp import EMAIL, GCP, HOST, KEY_ID, PERMISSIONS, PROJECT, Metadata, new_key, pem
from tests.keystore.fakes.service import Fault, Request
from tests.keystore.pages import block
from tests.keystore.shared import Shared

KEY = new_key()


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    gcp = GCP()
    with up(tmp_path_factory.mktemp("gcp"), gcp, plain=(Metadata(gcp),)) as cloud:
        yield cloud


@pytest.fixture
def gcp(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[GCP]:
    """As new. Whatever this machine has for Google must not count."""
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT", "GCE_METADATA_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", "/nonexistent")
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    service = cloud.servers[HOST].service
    assert isinstance(service, GCP)
    service.heal()
    service.__init__()  # type: ignore[misc]
    service.keys = {KEY_ID: KEY}
    yield service
    service.heal()


def account(key: str = "") -> Account:
    return Account(EMAIL, "103456789012345678901", KEY_ID, key or pem(KEY))


def opened() -> GCPStore:
    return GCPStore(PROJECT, account=account)


@pytest.fixture
def store(gcp: GCP) -> Iterator[GCPStore]:
    store = opened()
    yield store
    store.close()


@pytest.fixture
def again(gcp: GCP) -> Iterator[GCPStore]:
    """Of another key server."""
    store = opened()
    yield store
    store.close()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gives up early."""
    monkeypatch.setattr(attempts, "LIMIT_SECONDS", 0.5)
    monkeypatch.setattr(client, "REQUEST_SECONDS", 1.5)


class TestGCPStore(Conformance, Shared):
    """On the fixture of the module."""


# Layout


def test_an_entry_is_version_1_of_a_secret(gcp: GCP, store: GCPStore) -> None:
    store.create("key", b"entry")
    assert gcp.values("key") == [b"entry"]
    assert gcp.secrets["key"]["replication"] == {"automatic": {}}


def test_an_entry_of_upstream_is_read(gcp: GCP, store: GCPStore) -> None:
    gcp.put("key", b"entry")
    assert store.get("key") == b"entry"


def test_upstream_reads_what_was_created_after_a_replacement_too(gcp: GCP, store: GCPStore) -> None:
    store.create("key", b"old")
    store.replace("key", b"old", b"new")
    assert gcp.values("key") == [b"old", b"openkes-after:1\nnew"]


def test_versions_that_somebody_adds_mean_nothing(gcp: GCP, store: GCPStore) -> None:
    gcp.put("key", b"entry", b"another", b"openkes-after:x\n", b"openkes-after:2\nno")
    assert store.get("key") == b"entry"
    store.replace("key", b"entry", b"new")
    assert store.get("key") == b"new"


def test_a_secret_without_a_version_is_no_key_and_can_become_one(gcp: GCP, store: GCPStore) -> None:
    """As a server leaves it that was killed while it created a key."""
    gcp.put("key")
    for call in (store.get, store.delete):
        with pytest.raises(KeyNotFound):
            call("key")
    store.create("key", b"entry")
    assert gcp.values("key") == [b"entry"]


def test_whoever_adds_version_1_has_created_the_key(gcp: GCP, store: GCPStore, monkeypatch: pytest.MonkeyPatch) -> None:
    real = gcp._add

    def add(name: str, *rest: object) -> object:
        gcp.secrets[name]["versions"] = gcp.secrets[name]["versions"] or [{"data": b"theirs", "state": "ENABLED"}]
        return real(name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(gcp, "_add", add)
    with pytest.raises(KeyExists):
        store.create("key", b"mine")
    assert store.get("key") == b"theirs"


def test_what_was_looked_at_is_not_looked_at_again(gcp: GCP, store: GCPStore) -> None:
    store.create("key", b"0")
    for i in range(10):
        store.replace("key", str(i).encode(), str(i + 1).encode())
    assert store.get("key") == b"10"
    gcp.requests.clear()
    assert store.get("key") == b"10"
    assert len(gcp.requests) == 2
    assert opened().get("key") == b"10"


def test_another_secret_of_the_same_name_is_looked_at_from_its_start(gcp: GCP, store: GCPStore) -> None:
    store.create("key", b"old")
    store.replace("key", b"old", b"new")
    gcp.put("key", b"another", b"openkes-after:1\nanother one")
    assert store.get("key") == b"another one"
    gcp.put("key", b"short")
    assert store.get("key") == b"short"


@pytest.mark.parametrize("value", [b"\xff\x00entry", b"openkes-after:1\nentry", b"openkes-after:2\nentry"])
def test_every_value_is_kept(store: GCPStore, value: bytes) -> None:
    store.create("key", value)
    store.replace("key", value, b"new")
    store.replace("key", b"new", value)
    assert store.get("key") == value


def test_a_damaged_answer_is_not_taken(gcp: GCP, store: GCPStore, hasty: None) -> None:
    store.create("key", b"entry")
    gcp.damaged = True
    with pytest.raises(Unreachable, match="key was damaged on its way"):
        store.get("key")


@pytest.mark.parametrize("state", ["DISABLED", "DESTROYED"])
@pytest.mark.parametrize("number", [1, 2])
def test_a_version_that_an_operator_disabled_says_how_to_enable_it(
    gcp: GCP, store: GCPStore, state: str, number: int
) -> None:
    store.create("key", b"old")
    store.replace("key", b"old", b"new")
    gcp.secrets["key"]["versions"][number - 1]["state"] = state
    for call in (lambda: store.get("key"), lambda: store.replace("key", b"old", b"x")):
        with pytest.raises(Unreachable, match=f"gcloud secrets versions enable {number} --secret=key"):
            call()
    with pytest.raises(KeyExists):
        store.create("key", b"anew")
    assert len(gcp.values("key")) == 2


def test_five_thousand_keys(gcp: GCP, store: GCPStore) -> None:
    names = [f"key-{i:04d}" for i in range(5000)]
    for name in [*names, "-no-key", "Key-0001"]:
        gcp.put(name, b"entry")
    page = store.list("key-", 2, "key-0100")
    assert (page.names, page.continue_at) == (["key-0100", "key-0101"], "key-0102")
    assert store.list("", 6000).names == ["Key-0001", *names]


def test_a_list_in_pages(gcp: GCP, store: GCPStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_PAGE", 7)
    for i in range(20):
        gcp.put(f"key-{i:02d}", b"entry")
    assert store.list("", 100).names == [f"key-{i:02d}" for i in range(20)]


def test_a_list_that_takes_too_long_says_so(gcp: GCP, store: GCPStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gcp_store, "LIST_SECONDS", 0.0)
    with pytest.raises(Unreachable, match="longer than 0 s, after 0 names; keep what is no key of this server in"):
        store.list("", 10)


# The chain


def test_the_first_that_comes_after_the_current_one_is_the_next() -> None:
    found = Current(1, b"a", 1)
    for number, value in ((1, b"b"), (1, b"lost"), (2, b"c"), (1, b"late"), (4, b"d"), (2, b"late")):
        found = chain.step(found, chain.successor(number, value))
    assert (found.number, found.value, found.last) == (6, b"d", 7)


# Nobody knows


def picks(method: str, end: str) -> Callable[[Request], bool]:
    return lambda request: request.method == method and request.path.endswith(end)


WRITES = {
    "create": picks("POST", "/secrets"),
    "add": picks("POST", ":addVersion"),
    "delete": picks("DELETE", "/key"),
}
FAULTS = [Fault.AWAY, Fault.BROKEN, Fault.DROPPED, Fault.DROPPED_AFTER]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("write", WRITES)
def test_a_fault_is_made_good(gcp: GCP, store: GCPStore, write: str, fault: Fault) -> None:
    gcp.fail(fault, on=WRITES[write])
    store.create("key", b"old")
    gcp.fail(fault, on=WRITES[write])
    store.replace("key", b"old", b"new")
    assert store.get("key") == b"new"
    store.delete("key")
    with pytest.raises(KeyNotFound):
        store.get("key")


@pytest.mark.parametrize("fault", [Fault.BROKEN, Fault.DROPPED_AFTER])
def test_a_create_without_an_answer_is_not_taken_for_another_ones(gcp: GCP, store: GCPStore, fault: Fault) -> None:
    gcp.fail(fault, on=WRITES["add"])
    store.create("key", b"mine")
    assert gcp.values("key") == [b"mine"]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_create_without_an_answer_that_lost(gcp: GCP, store: GCPStore, fault: Fault) -> None:
    def somebody(request: Request) -> bool:
        if WRITES["add"](request):
            gcp.secrets["key"]["versions"].append({"data": b"theirs", "state": "ENABLED"})
            return True
        return False

    gcp.fail(fault, on=somebody)
    with pytest.raises(KeyExists):
        store.create("key", b"mine")
    assert store.get("key") == b"theirs"


@pytest.mark.parametrize("fault", FAULTS)
def test_a_replacement_without_an_answer_that_lost(gcp: GCP, store: GCPStore, fault: Fault) -> None:
    store.create("key", b"old")

    def somebody(request: Request) -> bool:
        if WRITES["add"](request):
            gcp.secrets["key"]["versions"].append({"data": chain.successor(1, b"theirs"), "state": "ENABLED"})
            return True
        return False

    gcp.fail(fault, on=somebody)
    with pytest.raises(KeyExists):
        store.replace("key", b"old", b"mine")
    assert store.get("key") == b"theirs"


def test_a_replacement_without_an_answer_from_which_somebody_went_on(
    gcp: GCP, store: GCPStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.create("key", b"old")
    real = gcp._add

    def add(*arguments: object) -> object:
        reply = real(*arguments)  # type: ignore[arg-type]
        gcp.secrets["key"]["versions"].append({"data": chain.successor(2, b"newer"), "state": "ENABLED"})
        return reply

    monkeypatch.setattr(gcp, "_add", add)
    gcp.fail(Fault.DROPPED_AFTER, on=WRITES["add"])
    store.replace("key", b"old", b"new")
    assert store.get("key") == b"newer"


@pytest.mark.parametrize("fault", [Fault.BROKEN, Fault.DROPPED_AFTER])
def test_a_deletion_without_an_answer_spares_another_ones_new_key(
    gcp: GCP, store: GCPStore, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.create("key", b"old")
    real = gcp._delete

    def delete(*arguments: object) -> object:
        reply = real(*arguments)  # type: ignore[arg-type]
        gcp.put("key", b"anew")
        return reply

    monkeypatch.setattr(gcp, "_delete", delete)
    gcp.fail(fault, on=WRITES["delete"])
    store.delete("key")
    assert store.get("key") == b"anew"


def test_a_deletion_goes_on_after_a_change_of_the_secret(gcp: GCP, store: GCPStore) -> None:
    store.create("key", b"value")

    def labelled(request: Request) -> bool:
        if WRITES["delete"](request):
            gcp.secrets["key"]["etag"] = '"another"'
        return False

    gcp.fail(Fault.AWAY, on=labelled)
    store.delete("key")
    assert gcp.secrets == {}


def test_reading_that_fails_is_not_taken_for_a_deletion(gcp: GCP, store: GCPStore) -> None:
    gcp.fail(Fault.BROKEN, on=picks("GET", "/key"))
    with pytest.raises(KeyNotFound):
        store.delete("key")


def test_a_version_that_is_on_its_way_is_waited_for(gcp: GCP, store: GCPStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has a lower number than ours, so that it may be the next one."""
    store.create("key", b"old")
    hidden = {"data": chain.successor(1, b"theirs"), "state": "ENABLED"}
    gcp.secrets["key"]["versions"].append(hidden)
    seen: list[Request] = []

    def unseen(request: Request) -> bool:
        if request.path.endswith("/key/versions/2:access"):
            seen.append(request)
        return False

    gcp.fail(Fault.AWAY, on=unseen)
    real = gcp._access

    def access(name: str, number: str, query: dict[str, str]) -> object:
        if number == "2" and len(seen) < 4:
            raise_absent(gcp)
        return real(name, number, query)

    monkeypatch.setattr(gcp, "_access", access)
    with pytest.raises(KeyExists):
        store.replace("key", b"old", b"mine")
    assert store.get("key") == b"theirs"


def raise_absent(gcp: GCP) -> None:
    gcp._found("absent")


# Refused


def test_the_role_of_the_page_is_enough(gcp: GCP, store: GCPStore) -> None:
    role = json.loads(block("gcp", "json", "includedPermissions"))
    assert frozenset(role["includedPermissions"]) == PERMISSIONS
    probe(store)
    store.create("key", b"old")
    store.replace("key", b"old", b"new")


CALLS: dict[str, Callable[[KeyStore], object]] = {
    "secretmanager.secrets.create": lambda store: store.create("new", b"value"),
    "secretmanager.secrets.get": lambda store: store.delete("key"),
    "secretmanager.secrets.list": lambda store: store.list("", 1),
    "secretmanager.secrets.delete": lambda store: store.delete("key"),
    "secretmanager.versions.add": lambda store: store.create("new", b"value"),
    "secretmanager.versions.access": lambda store: store.get("key"),
}


@pytest.mark.parametrize("permission", sorted(PERMISSIONS))
def test_the_permission_that_is_missing_is_named(gcp: GCP, store: GCPStore, permission: str) -> None:
    store.create("key", b"value")
    gcp.permissions = PERMISSIONS - {permission}
    with pytest.raises(Unreachable, match=rf"permission refused: the role needs {permission} \(Permission"):
        CALLS[permission](store)
    gcp.permissions = PERMISSIONS
    assert store.get("key") == b"value"


def test_an_entry_that_is_too_large_is_not_sent(gcp: GCP, store: GCPStore) -> None:
    gcp.requests.clear()
    with pytest.raises(Unreachable, match="65537 bytes and Google Secret Manager takes 65536"):
        store.create("key", b"x" * 65537)
    assert gcp.requests == []


def test_another_project(gcp: GCP, hasty: None) -> None:
    store = GCPStore("other", account=account)
    with pytest.raises(Unreachable, match="there is no such project"):
        store.list("", 1)
    with pytest.raises(Unreachable, match="there is no such project"):
        store.create("key", b"value")


# Login


def test_a_key_that_google_does_not_know(gcp: GCP) -> None:
    gcp.keys.clear()
    with pytest.raises(Unreachable, match="login refused: is the service account enabled, and the clock"):
        opened()


def test_a_login_that_is_refused_once_is_tried_anew(gcp: GCP, store: GCPStore) -> None:
    gcp.refused_logins = 1
    store.create("key", b"value")


def test_a_replaced_key_is_used_at_once(gcp: GCP) -> None:
    now = [pem(KEY)]
    store = GCPStore(PROJECT, account=lambda: account(now[0]))
    gcp.keys[KEY_ID] = new_key()
    now[0] = pem(gcp.keys[KEY_ID])
    store.create("key", b"value")


def test_a_private_key_that_cannot_be_read_is_not_shown(gcp: GCP) -> None:
    part = pem(KEY)[:400]
    with pytest.raises(Unreachable, match="needs all lines of the PEM") as error:
        GCPStore(PROJECT, account=lambda: account(part))
    assert part.splitlines()[2] not in "".join(traceback.format_exception(error.value))


def test_scopes_are_asked_for(gcp: GCP) -> None:
    gcp.scope = "https://www.googleapis.com/auth/another"
    GCPStore(PROJECT, scopes=(gcp.scope,), account=account)
    with pytest.raises(Unreachable, match="refused: Request had insufficient authentication scopes"):
        opened()


def test_a_file_that_the_environment_names(gcp: GCP, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = {
        "type": "service_account",
        "project_id": PROJECT,
        "client_email": EMAIL,
        "private_key_id": KEY_ID,
        "private_key": pem(KEY),
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    (tmp_path / "account.json").write_text(json.dumps(document))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "account.json"))
    GCPStore(PROJECT).create("key", b"value")
    assert gcp.values("key") == [b"value"]


def test_the_account_of_a_virtual_machine(gcp: GCP, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    port = cloud.servers["metadata.google.internal"].server_port
    monkeypatch.delenv("NO_GCE_CHECK")
    for name in ("GCE_METADATA_HOST", "GCE_METADATA_ROOT", "GCE_METADATA_IP"):
        monkeypatch.setenv(name, f"127.0.0.1:{port}")
    GCPStore(PROJECT).create("key", b"value")
    assert gcp.values("key") == [b"value"]


def test_no_login_anywhere(gcp: GCP) -> None:
    with pytest.raises(Unreachable, match="there are no credentials: give the machine a service account, or set"):
        GCPStore(PROJECT)


# Away


def test_a_service_that_is_silent_is_given_up(gcp: GCP, store: GCPStore, hasty: None) -> None:
    gcp.fail(Fault.SILENT, times=9)
    with pytest.raises(Unreachable, match=r"Google Secret Manager my-project: no answer \("):
        store.get("key")


def test_a_service_that_is_away_and_comes_back(gcp: GCP, store: GCPStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.create("key", b"value")
    gcp.fail(Fault.AWAY, times=1000)
    with monkeypatch.context() as patch:
        patch.setattr(attempts, "LIMIT_SECONDS", 0.3)
        patch.setattr(gcp_store, "LIST_SECONDS", 0.3)
        for call in (lambda: store.get("key"), lambda: store.create("x", b""), lambda: store.list("", 1), store.status):
            with pytest.raises(Unreachable, match=r"status 503; look at status\.cloud\.google\.com"):
                call()
    gcp.heal()
    assert store.get("key") == b"value"


def test_nobody_there(gcp: GCP, hasty: None) -> None:
    with pytest.raises(Unreachable, match=r"Google Secret Manager https://127.0.0.1:1: no answer \(ConnectionRefused"):
        GCPStore(PROJECT, "https://127.0.0.1:1", account=account)


def test_a_server_whose_certificate_is_not_trusted(gcp: GCP, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(Unreachable, match="its certificate is not trusted"):
        opened()
