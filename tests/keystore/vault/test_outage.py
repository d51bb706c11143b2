"""Sealed, stopped, killed, paused: what callers hear, and that everything goes on by itself."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from openkes.keystore import KeyStore, Unreachable
from openkes.keystore.http import ClientTLS
from tests.keystore.bao import Bao, running
from tests.keystore.faulty import wait_for
from tests.keystore.vault.site import Site, prepare, site

TOO_LONG = 10.0  # seconds for a call that may take one, on a loaded machine


@pytest.fixture
def kv(own_bao: Bao) -> Iterator[Site]:
    made = site(own_bao, 2)
    yield made
    made.close()


def is_back(store: KeyStore) -> bool:
    try:
        store.status()
    except Unreachable:
        return False
    return True


def test_sealed_stopped_and_killed_it_comes_back_by_itself(kv: Site) -> None:
    store = kv.open()
    store.create("key", b"entry")
    kv.bao.seal()
    for call in (lambda: store.get("key"), lambda: store.create("other", b"entry"), store.status):
        with pytest.raises(Unreachable, match="it is sealed: unseal it"):
            call()
    with pytest.raises(Unreachable, match="it is sealed: unseal it"):
        kv.open()
    kv.bao.unseal()
    assert store.get("key") == b"entry"
    store.create("other", b"entry")

    kv.bao.stop()
    with pytest.raises(Unreachable, match="Connection refused"):
        store.get("key")
    kv.bao.start()
    with pytest.raises(Unreachable, match="it is sealed: unseal it"):
        store.get("key")
    kv.bao.unseal()
    assert store.list("", 10).names == ["key", "other"]

    store.create("last", b"entry")
    kv.bao.kill()
    kv.bao.start()
    kv.bao.unseal()
    assert store.get("last") == b"entry"


def test_a_token_that_ended_meanwhile_is_no_obstacle(own_bao: Bao) -> None:
    kv = site(own_bao, 2, token_ttl="2s")
    store = kv.open()
    store.create("key", b"entry")
    own_bao.stop()
    wait_for(lambda: (store.token_expires_in() or 0) < 0)
    own_bao.start()
    own_bao.unseal()
    assert store.get("key") == b"entry"
    wait_for(lambda: (store.token_expires_in() or 0) > 0)
    kv.close()


def test_without_calls_the_loop_logs_in_again(own_bao: Bao) -> None:
    kv = site(own_bao, 2, token_ttl="2s")
    store = kv.open()
    own_bao.seal()
    wait_for(lambda: (store.token_expires_in() or 0) < 0)
    own_bao.unseal()
    wait_for(lambda: (store.token_expires_in() or 0) > 0)
    kv.close()


def test_paused_it_is_unreachable_in_time_and_then_goes_on(kv: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    store = kv.open()
    store.create("key", b"entry")
    monkeypatch.setattr("openkes.keystore.vault.LIMIT_SECONDS", 1.0)
    process = kv.bao.process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    try:
        for call in (lambda: store.get("key"), lambda: store.create("other", b"entry"), store.status):
            begin = time.monotonic()
            with pytest.raises(Unreachable, match="no answer in time"):
                call()
            assert time.monotonic() - begin < TOO_LONG
    finally:
        process.send_signal(signal.SIGCONT)
    wait_for(lambda: is_back(store))
    assert store.get("key") == b"entry"


def test_nobody_there(bao: Bao) -> None:
    kv = site(bao, 2)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"https://127.0.0.1:{probe.getsockname()[1]}"
    with pytest.raises(Unreachable, match=f"{url}: Connection refused"):
        kv.open(urls=(url,))


def test_one_of_several_endpoints_is_enough(bao: Bao) -> None:
    kv = site(bao, 2)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"https://127.0.0.1:{probe.getsockname()[1]}"
    store = kv.open(urls=(url, bao.url))
    store.create("key", b"entry")
    assert store.get("key") == b"entry"
    kv.close()


class TestTLS:
    def test_a_certificate_of_somebody_else_is_not_trusted(self, bao: Bao, tmp_path: Path) -> None:
        trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
        kv = site(bao, 2)
        with pytest.raises(Unreachable, match="its certificate is not trusted"):
            kv.open(tls=ClientTLS(tmp_path / "ca.pem"))

    def test_a_client_certificate_is_shown(self, tmp_path: Path) -> None:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(tmp_path / "clients.pem")
        leaf = authority.issue_cert("kes.example.com")
        leaf.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
        leaf.private_key_pem.write_to_path(tmp_path / "kes.key")
        leaf.cert_chain_pems[0].write_to_path(tmp_path / "kes.cert")
        with running(tmp_path / "bao", client_ca=tmp_path / "clients.pem", client=tmp_path / "both.pem") as bao:
            prepare(bao)
            kv = site(bao, 2)
            with pytest.raises(Unreachable):
                kv.open(tls=ClientTLS(bao.ca))
            store = kv.open(tls=ClientTLS(bao.ca, tmp_path / "kes.key", tmp_path / "kes.cert"))
            store.create("key", b"entry")
            assert store.get("key") == b"entry"
            kv.close()
