"""The Azure Key Vault store keeps the interface as far as the service lets it, on a strict fake of the service."""

from __future__ import annotations

import contextlib
import json
import random
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from openkes.keystore import KeyExists, KeyNotFound, KeyStore, Unreachable, attempts
from openkes.keystore import azure as azure_store
from openkes.keystore.azure import AzureStore, login, offers
from openkes.keystore.azure.login import Principal, PrincipalLogin
from openkes.keystore.azure.versions import AFTER, LOST, NAME, STATE, UNSAID_SECONDS, WON, WRITE, Version, chain, chosen
from openkes.keystore.probe import probe
from tests.keystore.conformance import ODD_NAMES, Conformance, run_all
from tests.keystore.fakes.azure import (
    ACTIONS,
    CLIENT,
    HOST,
    IDENTITY,
    LOGIN,
    SECRET,
    TENANT,
    VAULT,
    Login,
    Machine,
    Tokens,
    Vault,
)
from tests.keystore.fakes.cloud import Cloud, up
from tests.keystore.fakes.service import Fault, Request
from tests.keystore.pages import block
from tests.keystore.shared import Shared

PRINCIPAL = Principal(TENANT, CLIENT, SECRET)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    tokens = Tokens()
    folder = tmp_path_factory.mktemp("azure")
    with up(folder, Vault(tokens), Login(tokens), plain=(Machine(tokens),)) as cloud:
        yield cloud


@pytest.fixture
def tokens(cloud: Cloud) -> Tokens:
    service = cloud.servers[LOGIN].service
    assert isinstance(service, Login)
    service.heal()
    service.__init__(Tokens())  # type: ignore[misc]
    return service.tokens


@pytest.fixture
def vault(cloud: Cloud, tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vault]:
    """As new. Whatever this machine has for Azure must not count."""
    for name in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_AUTHORITY_HOST", "PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(offers, "PAUSE_SECONDS", 0.005)
    service = cloud.servers[HOST].service
    assert isinstance(service, Vault)
    service.heal()
    service.__init__(tokens)  # type: ignore[misc]
    yield service
    service.heal()


@pytest.fixture
def machine(cloud: Cloud, vault: Vault) -> Machine:
    service = cloud.servers["169.254.169.254"].service
    assert isinstance(service, Machine)
    service.__init__(vault.tokens)  # type: ignore[misc]
    return service


def opened(secret: str = SECRET) -> AzureStore:
    return AzureStore(VAULT, PrincipalLogin(lambda: Principal(TENANT, CLIENT, secret)))


@pytest.fixture
def store(vault: Vault) -> Iterator[AzureStore]:
    store = opened()
    yield store
    store.close()


@pytest.fixture
def again(vault: Vault) -> Iterator[AzureStore]:
    """Of another key server."""
    store = opened()
    yield store
    store.close()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gives up early."""
    monkeypatch.setattr(attempts, "LIMIT_SECONDS", 0.5)
    monkeypatch.setitem(login.BOUNDS, "read_timeout", 1.5)


class TestAzureStore(Conformance, Shared):
    """On the fixture of the module. What the service cannot do, and what is promised instead, stands here."""

    def test_create_after_delete(self, store: KeyStore) -> None:
        """A deleted key stays recoverable, and its name taken, as long as the vault keeps it."""
        store.create("key", b"first")
        store.delete("key")
        with pytest.raises(Unreachable, match="az keyvault secret recover --vault-name kes --name key"):
            store.create("key", b"second")
        with pytest.raises(KeyNotFound):
            store.get("key")

    @pytest.mark.parametrize("name", [name for name in ODD_NAMES if "_" not in name])
    def test_odd_names(self, store: KeyStore, name: str) -> None:
        super().test_odd_names(store, name)

    @pytest.mark.parametrize("name", [name for name in ODD_NAMES if "_" in name])
    def test_names_that_the_service_cannot_hold(self, store: KeyStore, name: str) -> None:
        with pytest.raises(
            Unreachable, match=f"Key Vault cannot hold a key named {name}: it takes 0-9 A-Z a-z and - only"
        ):
            store.create(name, b"value")
        for call in (lambda: store.get(name), lambda: store.delete(name), lambda: store.replace(name, b"", b"")):
            with pytest.raises(KeyNotFound):
                call()

    def test_names_differ_by_case(self, store: KeyStore) -> None:
        """The service finds a secret whatever the case: there is one of them, and the other is refused."""
        store.create("key", b"lower")
        with pytest.raises(Unreachable, match="has a key key, and does not tell upper from lower case: choose another"):
            store.create("KEY", b"upper")
        for call in (
            lambda: store.get("KEY"),
            lambda: store.delete("KEY"),
            lambda: store.replace("KEY", b"lower", b""),
        ):
            with pytest.raises(KeyNotFound):
                call()
        assert store.get("key") == b"lower"
        assert store.list("", 10).names == ["key"]


# Layout


def test_an_entry_is_the_first_version_of_a_secret(vault: Vault, store: AzureStore) -> None:
    store.create("Key", b"entry")
    [version] = vault.secrets["key"].values()
    assert version["value"] == "entry"
    assert {NAME: "Key", STATE: WON}.items() <= version["tags"].items()


def test_an_entry_of_upstream_is_read_and_replaced(vault: Vault, store: AzureStore) -> None:
    vault.put("key", "entry", created=vault.now - 100_000)
    assert store.get("key") == b"entry"
    store.replace("key", b"entry", b"new")
    assert store.get("key") == b"new"
    assert store.list("", 10).names == ["key"]


def test_upstream_reads_what_was_created_after_a_replacement_too(vault: Vault, store: AzureStore) -> None:
    store.create("key", b"old")
    store.replace("key", b"old", b"new")
    assert vault.values("key") == ["old", "new"]
    first, second = vault.secrets["key"].items()
    assert second[1]["tags"][AFTER] == first[0]
    assert [first[1]["attributes"]["enabled"], second[1]["attributes"]["enabled"]] == [True, True]


def test_a_version_that_somebody_adds_means_nothing(vault: Vault, store: AzureStore) -> None:
    store.create("key", b"entry")
    vault.put("key", "another")
    assert store.get("key") == b"entry"


def test_more_versions_than_a_page_has(vault: Vault, store: AzureStore) -> None:
    store.create("key", b"0")
    for i in range(30):
        store.replace("key", str(i).encode(), str(i + 1).encode())
    assert store.get("key") == b"30"


def test_five_thousand_keys(vault: Vault, store: AzureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(azure_store, "LIST_SECONDS", 100.0)  # it is 200 requests, and this machine may be busy
    names = [f"key-{i:04d}" for i in range(5000)]
    for name in [*names, "-no-key", "Upper"]:
        vault.put(name, "entry")
    assert store.list("", 6000).names == ["Upper", *names]


def test_a_list_with_a_prefix(vault: Vault, store: AzureStore) -> None:
    for i in range(60):
        vault.put(f"key-{i:02d}", "entry")
    page = store.list("key-", 2, "key-55")
    assert (page.names, page.continue_at) == (["key-55", "key-56"], "key-57")


def test_a_list_that_takes_too_long_says_so(vault: Vault, store: AzureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(azure_store, "LIST_SECONDS", 0.0)
    vault.put("key", "entry")
    with pytest.raises(Unreachable, match="longer than 0 s, after 1 names; keep what is no key of this server in"):
        store.list("", 10)


def test_secrets_of_certificates_are_no_keys(vault: Vault, store: AzureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    vault.put("key", "entry")
    vault.put("certificate", "entry")
    real = vault._shown

    def shown(name: str, version: str, **more: bool) -> dict[str, object]:
        return real(name, version, **more) | ({"managed": True} if name == "certificate" else {})

    monkeypatch.setattr(vault, "_shown", shown)
    assert store.list("", 10).names == ["key"]


# Which version counts


def version(id: str, created: int, after: str = "", state: str = "") -> Version:
    return Version(id, created, "key", after=after, state=state)


def test_the_oldest_counts() -> None:
    assert chosen([version("a", 2), version("b", 1)], "") == version("b", 1)


def test_in_the_same_second_the_lowest_id_counts() -> None:
    assert chosen([version("b", 1), version("a", 1)], "") == version("a", 1)


def test_whoever_has_won_stays() -> None:
    won = version("b", 2, state=WON)
    assert chosen([won, version("a", 1)], "") == won


def test_whoever_has_lost_does_not_count() -> None:
    assert chosen([version("a", 1, state=LOST), version("b", 2)], "") == version("b", 2)
    assert chosen([version("a", 1, state=LOST)], "") is None


def test_the_chain_is_followed_and_leads_in_no_circle() -> None:
    first, second, third = version("a", 1), version("b", 2, "a"), version("c", 3, "b")
    others = [version("d", 4, "a"), version("e", 5), version("f", 6, "x")]
    assert list(chain([*others, third, second, first])) == [first, second, third]
    assert list(chain([version("a", 1, "b"), version("b", 1, "a")])) == []


# Races


def test_a_loser_is_disabled_and_its_value_kept(
    vault: Vault, store: AzureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = vault._set

    def overtaken(name: str, *rest: object) -> object:
        reply = real(name, *rest)  # type: ignore[arg-type]
        if len(vault.secrets[name]) == 1:
            vault.put(name, "theirs", version="0" * 32, created=vault.now - 1)
        return reply

    monkeypatch.setattr(vault, "_set", overtaken)
    with pytest.raises(KeyExists):
        store.create("key", b"mine")
    mine = vault.secrets["key"][next(iter(vault.secrets["key"]))]
    assert (mine["value"], mine["attributes"]["enabled"], mine["tags"][STATE]) == ("mine", False, LOST)


def test_another_version_of_the_same_second_with_a_lower_id_is_waited_for(
    vault: Vault, store: AzureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It becomes visible only after ours."""
    real, looks = vault._versions, []

    def late(name: str, query: dict[str, str]) -> object:
        looks.append(name)
        if len(looks) == 3:
            created = next(iter(vault.secrets["key"].values()))["attributes"]["created"]
            vault.put("key", "theirs", version="0" * 32, created=created, tags={NAME: "key"})
        return real(name, query)

    vault.speed = 20.0
    monkeypatch.setattr(vault, "_versions", late)
    with pytest.raises(KeyExists):
        store.create("key", b"mine")


def test_writers_agree_although_versions_become_visible_late(
    vault: Vault, store: AzureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each up to a second of the vault after it was created, so that the order in which they are seen means nothing."""
    real, chance = vault._found, random.Random(1)
    hidden: dict[str, float] = {}

    def found(name: str) -> dict[str, dict[str, Any]]:
        versions = real(name)
        for id, version in versions.items():
            hidden.setdefault(id, version["attributes"]["created"] + chance.random())
        # By the second that all clocks show, as the service's own decisions are.
        return {id: version for id, version in versions.items() if hidden[id] <= vault.now}

    vault.speed = 10.0
    monkeypatch.setattr(vault, "_found", found)
    for name in ("a", "b", "c"):
        won: list[bytes] = []

        def creator(value: bytes, name: str = name, won: list[bytes] = won) -> None:
            with contextlib.suppress(KeyExists):
                store.create(name, value)
                won.append(value)

        run_all([lambda i=i: creator(b"%d" % i) for i in range(6)])
        assert [store.get(name)] == won


def test_a_key_is_not_served_before_it_is_decided(vault: Vault, store: AzureStore) -> None:
    vault.speed = 0.0
    vault.put("key", "entry", tags={NAME: "key", WRITE: "x"})
    done: list[bytes] = []
    reader = threading.Thread(target=lambda: done.append(store.get("key")))
    reader.start()
    while len(vault.requests) < 8:
        assert reader.is_alive(), done
    next(iter(vault.secrets["key"].values()))["tags"][STATE] = WON
    reader.join()
    assert done == [b"entry"]


def test_a_key_whose_writer_was_killed_is_served_when_nobody_can_object(vault: Vault, store: AzureStore) -> None:
    vault.put("key", "entry", tags={NAME: "key", WRITE: "x"})
    begin = vault.now
    assert store.get("key") == b"entry"
    assert vault.now >= begin + UNSAID_SECONDS


def test_a_key_that_is_never_decided_is_given_up(vault: Vault, store: AzureStore, hasty: None) -> None:
    vault.speed = 0.0
    vault.put("key", "entry", tags={NAME: "key", WRITE: "x"})
    with pytest.raises(Unreachable, match="key is being written; try again"):
        store.get("key")


def test_answers_without_a_time_are_refused(vault: Vault, store: AzureStore) -> None:
    vault.dated = False
    with pytest.raises(Unreachable, match="its answers have no header Date; is a proxy in between"):
        store.create("key", b"value")


# Deleted and disabled


def test_a_deleted_key_can_be_recovered(vault: Vault, store: AzureStore) -> None:
    store.create("key", b"old")
    store.replace("key", b"old", b"new")
    store.delete("key")
    vault.recover("key")
    assert store.get("key") == b"new"


def test_nothing_is_ever_purged(vault: Vault, store: AzureStore) -> None:
    store.create("key", b"value")
    store.delete("key")
    assert list(vault.deleted) == ["key"]
    assert not any("deletedsecrets" in request.path for request in vault.requests)


def test_a_list_of_versions_of_what_is_absent_may_be_empty(vault: Vault, store: AzureStore) -> None:
    vault.empty_for_absent = True
    with pytest.raises(KeyNotFound):
        store.get("key")
    store.create("key", b"value")
    assert store.get("key") == b"value"


def test_a_disabled_key_says_how_to_enable_it(vault: Vault, store: AzureStore) -> None:
    store.create("key", b"value")
    [(id, found)] = vault.secrets["key"].items()
    found["attributes"]["enabled"] = False
    with pytest.raises(Unreachable, match=f"set-attributes --vault-name kes --name key --version {id} --enabled true"):
        store.get("key")
    with pytest.raises(KeyExists):
        store.create("key", b"another")


# Nobody knows


def picks(method: str, start: str = "/secrets") -> Callable[[Request], bool]:
    return lambda request: request.method == method and request.path.startswith(start)


FAULTS = [Fault.AWAY, Fault.BROKEN, Fault.DROPPED, Fault.DROPPED_AFTER]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "GET"])
def test_a_fault_is_made_good(vault: Vault, store: AzureStore, method: str, fault: Fault) -> None:
    vault.fail(fault, on=picks(method))
    store.create("key", b"old")
    vault.fail(fault, on=picks(method))
    store.replace("key", b"old", b"new")
    assert store.get("key") == b"new"
    store.delete("key")
    with pytest.raises(KeyNotFound):
        store.get("key")


@pytest.mark.parametrize("fault", [Fault.BROKEN, Fault.DROPPED_AFTER])
def test_a_create_without_an_answer_is_not_made_twice(vault: Vault, store: AzureStore, fault: Fault) -> None:
    vault.fail(fault, on=picks("PUT"))
    store.create("key", b"mine")
    assert vault.values("key") == ["mine"]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_create_without_an_answer_that_lost(vault: Vault, store: AzureStore, fault: Fault) -> None:
    def somebody(request: Request) -> bool:
        if request.method == "PUT":
            vault.put("key", "theirs", tags={NAME: "key", WRITE: "x", STATE: WON})
            return True
        return False

    vault.fail(fault, on=somebody)
    with pytest.raises(KeyExists):
        store.create("key", b"mine")
    assert store.get("key") == b"theirs"


def test_a_write_that_came_twice_counts_once(vault: Vault, store: AzureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    real = vault._set

    def twice(name: str, query: dict[str, str], body: dict[str, object]) -> object:
        real(name, query, body)
        return real(name, query, body)

    monkeypatch.setattr(vault, "_set", twice)
    store.create("key", b"old")
    store.replace("key", b"old", b"new")
    assert store.get("key") == b"new"
    assert sorted(found["tags"][STATE] for found in vault.secrets["key"].values()) == [LOST, LOST, WON, WON]


def test_what_nobody_knows_is_said(vault: Vault, store: AzureStore, hasty: None) -> None:
    vault.speed = 0.0
    with pytest.raises(Unreachable, match="nobody knows whether the change of key took effect; look at the key"):
        store.create("key", b"value")


# Refused


def test_the_role_of_the_page_is_enough(vault: Vault, store: AzureStore) -> None:
    role = json.loads(block("azure", "json", "DataActions"))
    assert role["DataActions"] == [f"Microsoft.KeyVault/vaults/secrets/{action}" for action in sorted(ACTIONS)]
    probe(store)
    store.create("key", b"old")
    store.replace("key", b"old", b"new")


CALLS: dict[str, Callable[[KeyStore], object]] = {
    "getSecret/action": lambda store: store.get("key"),
    "setSecret/action": lambda store: store.create("new", b"value"),
    "update/action": lambda store: store.create("new", b"value"),
    "readMetadata/action": lambda store: store.list("", 1),
    "delete": lambda store: store.delete("key"),
}


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_the_permission_that_is_missing_is_named(vault: Vault, store: AzureStore, action: str) -> None:
    store.create("key", b"value")
    vault.actions = ACTIONS - {action}
    wanted = f"permission refused: the role needs Microsoft.KeyVault/vaults/secrets/{action}"
    with pytest.raises(Unreachable, match=wanted):
        CALLS[action](store)
    vault.actions = ACTIONS
    assert store.get("key") == b"value"


def test_a_firewall_is_named(vault: Vault, store: AzureStore) -> None:
    vault.firewall = True
    with pytest.raises(Unreachable, match="refused by the vault's firewall: add this machine's network to it"):
        store.get("key")


@pytest.mark.parametrize(
    ("value", "text"), [(b"x" * 25_001, "has 25001 bytes and Key Vault takes 25000"), (b"\xff\x00", "is no text")]
)
def test_an_entry_that_the_service_cannot_hold_is_not_sent(
    vault: Vault, store: AzureStore, value: bytes, text: str
) -> None:
    with pytest.raises(Unreachable, match=text):
        store.create("key", value)
    assert vault.secrets == {}


# Login


def test_a_wrong_secret_is_refused_and_not_shown(vault: Vault, caplog: pytest.LogCaptureFixture) -> None:
    wrong = SECRET[::-1]
    with pytest.raises(Unreachable, match=r"login refused \(AADSTS7000215: see") as error:
        opened(wrong)
    assert wrong not in "".join(traceback.format_exception(error.value))
    assert wrong not in caplog.text


def test_a_replaced_secret_is_used_for_the_next_token(vault: Vault, cloud: Cloud) -> None:
    now = [SECRET]
    store = AzureStore(VAULT, PrincipalLogin(lambda: Principal(TENANT, CLIENT, now[0])))
    service = cloud.servers[LOGIN].service
    assert isinstance(service, Login)
    service.secret = now[0] = "another"
    vault.tokens.ends.clear()
    store.create("key", b"value")


def test_a_token_that_is_not_taken_any_more_is_renewed(vault: Vault, store: AzureStore) -> None:
    store.create("key", b"value")
    vault.tokens.ends.clear()
    assert store.get("key") == b"value"


def test_a_token_that_expires_is_renewed(vault: Vault) -> None:
    vault.tokens.seconds = 1.0
    store = opened()
    first = set(vault.tokens.ends)
    while any(vault.tokens.holds(token) for token in first):
        store.status()
    assert len(vault.tokens.ends) > len(first)
    vault.tokens.ends = {token: end for token, end in vault.tokens.ends.items() if token not in first}
    store.create("key", b"value")


def test_a_login_service_that_is_away_for_a_moment(vault: Vault, cloud: Cloud) -> None:
    cloud.servers[LOGIN].service.fail(Fault.AWAY, times=2)
    opened().create("key", b"value")


def test_a_login_service_that_is_away(vault: Vault, cloud: Cloud, hasty: None) -> None:
    cloud.servers[LOGIN].service.fail(Fault.AWAY, times=1000)
    with pytest.raises(Unreachable, match=r"no login \("):
        opened()


def test_what_answers_with_the_login_of_another_service(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    from azure.keyvault.secrets._shared import http_challenge_cache

    http_challenge_cache.clear()
    vault.challenge = "https://storage.azure.com"
    with pytest.raises(Unreachable, match="asks for the login of another service; name the vault's own"):
        opened()
    http_challenge_cache.clear()


@pytest.mark.parametrize("client", ["", IDENTITY])
def test_a_managed_identity(vault: Vault, machine: Machine, client: str) -> None:
    AzureStore(VAULT, login.managed(client)).create("key", b"value")
    assert vault.values("key") == ["value"]


def test_no_managed_identity(vault: Vault, machine: Machine) -> None:
    machine.has_identity = False
    with pytest.raises(Unreachable, match=r"there is no login|login refused"):
        AzureStore(VAULT, login.managed(""))


def test_the_login_of_the_environment(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_TENANT_ID", TENANT)
    monkeypatch.setenv("AZURE_CLIENT_ID", CLIENT)
    monkeypatch.setenv("AZURE_CLIENT_SECRET", SECRET)
    AzureStore(VAULT, login.found()).create("key", b"value")
    assert vault.values("key") == ["value"]


def test_no_login_anywhere(vault: Vault, machine: Machine) -> None:
    machine.has_identity = False
    with pytest.raises(Unreachable, match=r"login refused|there is no login"):
        AzureStore(VAULT, login.found())


# Away


def test_a_service_that_is_silent_is_given_up(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(login.BOUNDS, "read_timeout", 1.5)
    store = opened()
    monkeypatch.setattr(attempts, "LIMIT_SECONDS", 0.5)
    vault.fail(Fault.SILENT, times=9)
    with pytest.raises(Unreachable, match=rf"Key Vault {VAULT}: no answer \("):
        store.get("key")


def test_a_service_that_is_away_and_comes_back(
    vault: Vault, store: AzureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.create("key", b"value")
    vault.fail(Fault.AWAY, times=1000)
    with monkeypatch.context() as patch:
        patch.setattr(attempts, "LIMIT_SECONDS", 0.3)
        patch.setattr(azure_store, "LIST_SECONDS", 0.3)
        for call in (lambda: store.get("key"), lambda: store.create("x", b""), lambda: store.list("", 1), store.status):
            with pytest.raises(Unreachable, match="status 503; look at the Azure status page"):
                call()
    vault.heal()
    assert store.get("key") == b"value"


def test_nobody_there(vault: Vault, hasty: None) -> None:
    with pytest.raises(Unreachable, match=r"Key Vault https://127.0.0.1:1: no connection \(ConnectionRefusedError\)"):
        AzureStore("https://127.0.0.1:1", PrincipalLogin(lambda: PRINCIPAL))


def test_a_server_whose_certificate_is_not_trusted(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(Unreachable, match="its certificate is not trusted"):
        opened()
