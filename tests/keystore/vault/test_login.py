"""Logins and tokens: renewed, made anew, revoked under the store's feet, refused, given back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from openkes.errors import OperatorError
from openkes.keystore import Unreachable
from openkes.keystore.vault import VaultStore
from openkes.keystore.vault.login import AppRole
from openkes.keystore.vault.token import Token
from tests.keystore import bao as real
from tests.keystore.bao import Bao, Refused
from tests.keystore.conformance import run_all
from tests.keystore.faulty import wait_for
from tests.keystore.vault.site import Site, site


@dataclass(slots=True)
class Watched:
    """An AppRole login that counts how often its secret was read, which is once for each login."""

    role: real.AppRole
    logins: int = 0
    secret: str = field(default="", repr=False)

    def login(self, **options: float) -> AppRole:
        return AppRole(lambda: self.role.role_id, self._read, **options)  # type: ignore[arg-type]

    def _read(self) -> str:
        self.logins += 1
        return self.secret or self.role.secret_id


def token(store: VaultStore) -> Token:
    """The one that is used now."""
    held = store._client._session._token
    assert held is not None
    return held


def revoke(bao: Bao, store: VaultStore) -> None:
    """As an operator does."""
    bao.call("POST", "auth/token/revoke", {"token": token(store).secret})


def is_known(bao: Bao, secret: str) -> bool:
    try:
        bao.call("GET", "auth/token/lookup-self", token=secret)
    except Refused:
        return False
    return True


def used_until(store: VaultStore, condition: Callable[[], bool]) -> int:
    """Calls from four threads until it holds; how many there were. None may fail."""
    store.create("used", b"entry")
    calls = [0] * 4
    failed: list[Exception] = []
    ended = threading.Event()

    def call(i: int) -> None:
        while not ended.is_set():
            try:
                assert store.get("used") == b"entry"
                calls[i] += 1
            except Exception as error:
                failed.append(error)
                return

    threads = [threading.Thread(target=call, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    try:
        wait_for(lambda: bool(failed) or condition())
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert failed == []
    return sum(calls)


def test_tokens_of_two_seconds_are_renewed_and_replaced_and_no_call_fails(bao: Bao) -> None:
    kv = site(bao, 2, token_ttl="2s", token_max_ttl="4s")
    watched = Watched(kv.role)
    store = kv.open(login=watched.login())
    assert used_until(store, lambda: watched.logins >= 2) > 0
    kv.close()


def test_without_a_call_the_token_is_kept(bao: Bao) -> None:
    kv = site(bao, 2, token_ttl="2s")
    watched = Watched(kv.role)
    store = kv.open(login=watched.login())
    first = token(store)
    wait_for(lambda: token(store).begun - first.begun > 4)
    assert token(store).secret == first.secret
    assert watched.logins == 1
    assert is_known(bao, first.secret)
    kv.close()


@pytest.mark.parametrize(
    "options",
    [
        {"token_type": "batch", "token_ttl": "2s"},
        {"token_period": "2s"},
        {"token_no_default_policy": True, "token_ttl": "2s"},
    ],
    ids=["batch", "period", "no default policy"],
)
def test_every_kind_of_token(bao: Bao, options: dict[str, object]) -> None:
    kv = site(bao, 2, **options)
    if "token_no_default_policy" in options:
        bao.policy("narrow", 'path "kv2/*" { capabilities = ["create", "read", "update", "list", "delete"] }')
        kv.role = bao.approle("narrow", ["narrow"], **options)
    watched = Watched(kv.role)
    store = kv.open(login=watched.login())
    begun = token(store).begun
    used_until(store, lambda: token(store).begun - begun > 3)
    kv.close()


def test_a_token_that_is_used_up_is_replaced(bao: Bao) -> None:
    kv = site(bao, 2, token_num_uses=6)
    store = kv.open()
    for i in range(12):
        store.create(f"key-{i}", b"entry")
        assert store.get(f"key-{i}") == b"entry"
    kv.close()


def test_a_token_that_is_revoked_is_replaced_by_one_login(kv: Site) -> None:
    watched = Watched(kv.role)
    store = kv.open(login=watched.login())
    store.create("key", b"entry")
    revoke(kv.bao, store)
    run_all([lambda: _expect(store) for _ in range(8)])
    assert watched.logins == 2


def _expect(store: VaultStore) -> None:
    assert store.get("key") == b"entry"


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.create("other", b"entry"),
        lambda store: store.replace("key", b"entry", b"new"),
        lambda store: store.delete("key"),
        lambda store: store.list("", 1),
        lambda store: store.status(),
    ],
    ids=["create", "replace", "delete", "list", "status"],
)
def test_any_call_survives_a_revoked_token(kv: Site, call: Callable[[VaultStore], object]) -> None:
    store = kv.open()
    store.create("key", b"entry")
    revoke(kv.bao, store)
    call(store)


def test_a_missing_permission_makes_no_login(kv: Site) -> None:
    watched = Watched(kv.role)
    store = kv.open(login=watched.login())
    kv.bao.policy("all-but", f'path "{kv.layout.engine}/*" {{ capabilities = ["read", "list"] }}')
    kv.role = kv.bao.approle("all-but", ["all-but"])
    watched.role = kv.role
    revoke(kv.bao, store)
    for _ in range(3):
        with pytest.raises(Unreachable, match="permission refused: the policy of this login needs"):
            store.create("key", b"entry")
    assert watched.logins == 2


class TestRefused:
    """A wrong secret: OpenBao locks the role for everybody when it was shown five of them."""

    def test_it_is_named_and_not_shown(self, kv: Site) -> None:
        wrong = AppRole(lambda: kv.role.role_id, lambda: "a-wrong-secret")
        with pytest.raises(Unreachable, match=r"login at auth/approle is refused .*keystore\.vault\.approle") as error:
            kv.open(login=wrong)
        assert "a-wrong-secret" not in str(error.value)

    def test_the_same_is_not_tried_again_and_a_new_one_is_at_once(self, kv: Site) -> None:
        watched = Watched(kv.role)
        store = kv.open(login=watched.login(retry=0.1))
        store.create("key", b"entry")
        watched.secret = "wrong"
        revoke(kv.bao, store)
        with pytest.raises(Unreachable, match="login at auth/approle is refused"):
            store.get("key")
        for _ in range(10):
            with pytest.raises(Unreachable, match="the same is not tried again for 300 s"):
                store.get("key")
        watched.secret = ""
        assert store.get("key") == b"entry"

    def test_who_waited_for_a_login_that_failed_does_not_try_again(self, kv: Site) -> None:
        watched = Watched(kv.role)
        store = kv.open(login=watched.login(retry=60))
        watched.logins = 0
        entered, go_on = threading.Event(), threading.Event()

        def fail() -> str:
            watched.logins += 1
            entered.set()
            assert go_on.wait(60)
            raise OperatorError("cannot read the secret", "let the server read it")

        store._client._session._login = AppRole(lambda: "role", fail)
        revoke(kv.bao, store)
        failed: list[str] = []

        def call() -> None:
            with pytest.raises(Unreachable) as error:
                store.get("key")
            failed.append(str(error.value))

        threads = [threading.Thread(target=call) for _ in range(4)]
        threads[0].start()
        assert entered.wait(60)
        arrived = _count_arrivals(store)
        for thread in threads[1:]:
            thread.start()
        wait_for(lambda: arrived() == 3)
        go_on.set()
        for thread in threads:
            thread.join()
        assert failed == ["cannot read the secret; let the server read it"] * 4
        # The failure began before the others came: one of them has tried for all.
        assert watched.logins == 2

    def test_a_secret_that_cannot_be_read(self, kv: Site) -> None:
        def missing() -> str:
            raise OperatorError("cannot read /nowhere", "name a file")

        with pytest.raises(Unreachable, match="cannot read /nowhere; name a file"):
            kv.open(login=AppRole(missing, missing))

    def test_a_method_that_is_not_there(self, kv: Site) -> None:
        login = AppRole(lambda: "role", lambda: "secret", "nowhere")
        with pytest.raises(Unreachable, match="login at auth/nowhere is refused"):
            kv.open(login=login)


def _count_arrivals(store: VaultStore) -> Callable[[], int]:
    """How many threads have come to the turn of the login from now on."""
    session = store._client._session
    inner, count = session._turn, [0]

    class Turn:
        def acquire(self, timeout: float) -> bool:
            count[0] += 1
            return inner.acquire(timeout=timeout)

        def release(self) -> None:
            inner.release()

    session._turn = Turn()  # type: ignore[assignment]
    return lambda: count[0]


def test_how_long_the_token_lasts(bao: Bao) -> None:
    kv = site(bao, 2, token_ttl="1h")
    store = kv.open()
    left = store.token_expires_in()
    assert left is not None
    assert 3000 < left <= 3600
    store.close()
    assert store.token_expires_in() is None


def test_close_gives_the_token_back_and_ends_the_loop(kv: Site) -> None:
    store = kv.open()
    secret, loop = token(store).secret, store._client._session._loop
    assert is_known(kv.bao, secret)
    store.close()
    assert not is_known(kv.bao, secret)
    wait_for(lambda: not loop.is_alive())


def test_no_secret_is_shown(kv: Site) -> None:
    store = kv.open()
    shown = repr(token(store)) + repr(store._client._session._login) + repr(store)
    assert token(store).secret not in shown
    assert kv.role.secret_id not in shown
