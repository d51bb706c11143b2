"""Real stores that a trial takes away and gives back: etcd, PostgreSQL, OpenBao. Must not know key servers."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.keystore import bao, etcd_server, postgres_server
from tests.keystore.etcd_server import ETCD
from tests.keystore.postgres_server import BIN, DATABASE

POLICY = 'path "kv/*" { capabilities = ["create", "read", "update", "delete", "list"] }'


@dataclass(frozen=True, slots=True)
class Way:
    """`end` returns when the store itself answers again."""

    name: str
    begin: Callable[[], object]
    end: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Store:
    """`settings` are the section `keystore` for it."""

    settings: dict[str, Any]
    ways: dict[str, Way]


def _ways(*ways: Way) -> dict[str, Way]:
    return {way.name: way for way in ways}


@contextmanager
def etcd(folder: Path) -> Iterator[Store]:
    with etcd_server.running(folder) as cluster:
        member = cluster.members[0]

        def back(begin: Callable[[], object]) -> Callable[[], object]:
            def end() -> None:
                begin()
                etcd_server.wait_for(member.is_healthy, "etcd does not come back")

            return end

        stopped = Way("hanging", lambda: member.signal(signal.SIGSTOP), back(lambda: member.signal(signal.SIGCONT)))
        try:
            yield Store(
                {"etcd": {"endpoint": member.url}}, _ways(Way("killed", member.kill, back(member.start)), stopped)
            )
        finally:
            member.signal(signal.SIGCONT)


@contextmanager
def postgres(folder: Path) -> Iterator[Store]:
    with postgres_server.running() as server:
        password = folder / "password"
        password.parent.mkdir(parents=True, exist_ok=True)
        password.touch(mode=0o600)
        password.write_text("secret")
        settings = {
            "endpoint": f"127.0.0.1:{server.port}",
            "database": DATABASE,
            "user": "kes",
            "password": {"file": str(password)},
        }

        def go_on() -> None:
            server.signal_all(signal.SIGCONT)
            etcd_server.wait_for(server.answers, "PostgreSQL does not come back")

        killed = Way("killed", lambda: server.stop(signal.SIGQUIT), server.start)
        hanging = Way("hanging", lambda: server.signal_all(signal.SIGSTOP), go_on)
        yield Store({"postgres": settings}, _ways(killed, hanging))


@contextmanager
def openbao(folder: Path) -> Iterator[Store]:
    """With tokens of ten seconds."""
    with bao.running(folder) as node:
        node.kv("kv", 2)
        node.policy("kes", POLICY)
        role = node.approle("kes", ["kes"], token_ttl="10s", token_max_ttl="10s")
        settings = {
            "endpoint": node.url,
            "engine": "kv",
            "version": "v2",
            "approle": {"id": role.role_id, "secret": role.secret_id},
            "tls": {"ca": str(node.ca)},
        }

        def start() -> None:
            node.start()
            node.unseal()

        def signal_it(number: signal.Signals) -> None:
            assert node.process is not None
            node.process.send_signal(number)

        yield Store(
            {"vault": settings},
            _ways(
                Way("killed", node.kill, start),
                Way("hanging", lambda: signal_it(signal.SIGSTOP), lambda: signal_it(signal.SIGCONT)),
                Way("sealed", node.seal, node.unseal),
            ),
        )


STORES: dict[str, Callable[[Path], Any]] = {"etcd": etcd, "postgres": postgres, "openbao": openbao}


def missing(store: str) -> str:
    """Why a store cannot be had here; "" when it can."""
    if store == "etcd" and ETCD is None:
        return "no etcd: apt-get install etcd-server"
    if store == "postgres" and not (BIN / "initdb").exists():
        return "no PostgreSQL: apt-get install postgresql"
    if store == "openbao":
        try:
            bao.command()
        except bao.NoBao as error:
            return str(error)
    return ""
