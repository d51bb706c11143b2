"""The PostgreSQL store over TLS: the server proves its name, and a client certificate can stand for a password."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from openkes.keystore import Unreachable
from openkes.keystore.http import ClientTLS
from openkes.keystore.postgres.store import PostgresStore
from openkes.keystore.postgres.target import Host, Target
from tests.keystore.postgres_server import DATABASE, TABLE, Server, needs_postgres, run, running

pytestmark = needs_postgres


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA) -> Path:
    """ca.crt, and pairs of the server and of the client `kes`."""
    folder = tmp_path_factory.mktemp("tls")
    authority.cert_pem.write_to_path(folder / "ca.crt")
    for name, pair in {
        "server": authority.issue_cert("localhost"),
        "client": authority.issue_cert("client.example.com", common_name="kes"),
        "other": authority.issue_cert("client.example.com", common_name="other"),
    }.items():
        pair.cert_chain_pems[0].write_to_path(folder / f"{name}.crt")
        (folder / f"{name}.key").touch(mode=0o600)
        pair.private_key_pem.write_to_path(folder / f"{name}.key")
    return folder


@pytest.fixture(scope="module")
def server(files: Path) -> Iterator[Server]:
    def before(server: Server) -> None:
        for name in ("ca.crt", "server.crt", "server.key"):
            # By the owner, whose file it must be.
            run("tee", str(server.folder / name), text=(files / name).read_text())
        run("chmod", "0600", str(server.folder / "server.key"))
        said = {"ssl_ca_file": "ca.crt", "ssl_cert_file": "server.crt", "ssl_key_file": "server.key"}
        server.settings |= {"ssl": "on", **{name: str(server.folder / file) for name, file in said.items()}}
        hba = server.folder / "data" / "pg_hba.conf"
        lines = hba.read_text().replace("host all all", "hostssl all kes")
        hba.write_text(lines + "hostssl all certified 127.0.0.1/32 cert map=kes\n")
        (server.folder / "data" / "pg_ident.conf").write_text("kes kes certified\n")

    with running(before=before) as server:
        server.sql("CREATE ROLE certified LOGIN IN ROLE kes")
        yield server


def target(server: Server, tls: ClientTLS, name: str = "localhost", user: str = "kes") -> Target:
    password = (lambda: "secret") if user == "kes" else None
    return Target((Host(name, server.port),), DATABASE, user, password, tls)


def backend(store: PostgresStore) -> object:
    return store._database.call(lambda session, until, _: session.rows("SELECT pg_backend_pid()", [], until))


def test_a_connection_is_kept(server: Server, files: Path) -> None:
    store = PostgresStore(target(server, ClientTLS(ca=files / "ca.crt")), TABLE)
    assert len({str(backend(store)) for _ in range(5)}) == 1


def encrypted(store: PostgresStore) -> bool:
    query = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    return store._database.call(lambda session, until, _: session.rows(query, [], until)) == [(True,)]


def test_the_server_that_it_says_it_is(server: Server, files: Path) -> None:
    store = PostgresStore(target(server, ClientTLS(ca=files / "ca.crt")), TABLE)
    store.create("key", b"entry")
    assert store.get("key") == b"entry"
    assert encrypted(store)


def test_a_name_that_is_not_in_its_certificate(server: Server, files: Path) -> None:
    with pytest.raises(Unreachable, match=r"does not match host name .*; its certificate needs the name"):
        PostgresStore(target(server, ClientTLS(ca=files / "ca.crt"), "127.0.0.1"), TABLE)


def test_a_server_of_another_authority(server: Server, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.crt")
    with pytest.raises(Unreachable, match=r"certificate verify failed; keystore\.postgres\.tls\.ca is not"):
        PostgresStore(target(server, ClientTLS(ca=tmp_path / "other.crt")), TABLE)


def test_an_authority_that_cannot_be_read(server: Server, tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match=r"absent\.crt"):
        PostgresStore(target(server, ClientTLS(ca=tmp_path / "absent.crt")), TABLE)


def test_a_server_without_tls(files: Path) -> None:
    with (
        running() as server,
        pytest.raises(Unreachable, match="does not support SSL, but SSL was required; set ssl = on there"),
    ):
        PostgresStore(target(server, ClientTLS(ca=files / "ca.crt")), TABLE)


def test_a_client_certificate_in_place_of_a_password(server: Server, files: Path) -> None:
    tls = ClientTLS(files / "ca.crt", files / "client.key", files / "client.crt")
    PostgresStore(target(server, ClientTLS(ca=files / "ca.crt")), TABLE).close()
    store = PostgresStore(target(server, tls, user="certified"), TABLE)
    assert store.list("absent", 10).names == []


def test_a_client_certificate_of_somebody_else(server: Server, files: Path) -> None:
    tls = ClientTLS(files / "ca.crt", files / "other.key", files / "other.crt")
    with pytest.raises(Unreachable, match='certificate authentication failed for user "certified"'):
        PostgresStore(target(server, tls, user="certified"), TABLE)


def test_a_key_that_everybody_can_read(server: Server, files: Path, tmp_path: Path) -> None:
    key = tmp_path / "client.key"
    shutil.copy(files / "client.key", key)
    key.chmod(0o644)
    tls = ClientTLS(files / "ca.crt", key, files / "client.crt")
    with pytest.raises(Unreachable, match="has group or world access"):
        PostgresStore(target(server, tls, user="certified"), TABLE)
