"""The page of the PostgreSQL store: its SQL and its configuration work, backups are restored, keys move in and out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from openkes.keystore import KeyNotFound, Unreachable
from openkes.keystore.postgres.store import PostgresStore
from openkes.keystore.postgres.target import Target
from openkes.keystore.probe import probe
from tests.keystore import moving
from tests.keystore.pages import block, configuration
from tests.keystore.postgres_server import DATABASE, TABLE, Server, needs_postgres, run, serving
from tests.servers import running as server_running

pytestmark = needs_postgres


@pytest.fixture
def server() -> Iterator[Server]:
    """Set up by the commands of the page, and told to log every statement."""
    with serving({"log_statement": "all", "log_min_duration_statement": "0"}) as server:
        files = server.folder / "files"
        run("mkdir", str(files))
        run("tee", str(files / "kes.sql"), text=block("postgres", "sql", "CREATE ROLE kes"))
        script = block("postgres", "sh", "createdb")
        run("bash", "-e", "-c", script, folder=files, **server.environment())
        yield server


@pytest.fixture
def password(server: Server) -> str:
    return (server.folder / "files" / "postgres.password").read_text().strip()


@pytest.fixture
def target(server: Server, password: str) -> Target:
    return server.target(password)


@pytest.fixture
def keystore(server: Server, password: str, tmp_path: Path) -> dict[str, Any]:
    """The page's section, with this test's server in it."""
    document = configuration("postgres")["keystore"]
    document["postgres"]["endpoint"] = [str(server.host)]
    file = tmp_path / "postgres.password"
    file.touch(mode=0o600)
    file.write_text(password)
    document["postgres"]["password"]["file"] = str(file)
    del document["postgres"]["tls"]
    return document


def test_the_role_of_the_page_is_enough(target: Target) -> None:
    store = PostgresStore(target, TABLE)
    probe(store)
    store.create("key", b"old")
    store.replace("key", b"old", b"new")
    assert store.get("key") == b"new"


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE openkes.keys",
        "TRUNCATE openkes.keys",
        "CREATE TABLE openkes.other (a int)",
        "CREATE SCHEMA other",
        "INSERT INTO openkes.keys_version VALUES (99)",
        "SELECT * FROM pg_authid",
    ],
)
def test_the_role_of_the_page_may_do_nothing_else(server: Server, password: str, statement: str) -> None:
    with pytest.raises(AssertionError, match=r"permission denied|must be owner"):
        run(
            *("psql", "-X", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(server.port), "-U", "kes"),
            *("-d", DATABASE),
            text=statement,
            PGPASSWORD=password,
        )


def test_the_tables_of_the_page_are_those_that_a_server_makes(server: Server, target: Target) -> None:
    server.sql("CREATE DATABASE other", "postgres")
    server.sql("GRANT CREATE ON DATABASE other TO kes", "postgres")
    PostgresStore(Target(target.hosts, "other", "kes", target.password), TABLE).close()
    dumped = [
        run("pg_dump", "-s", "-O", "-x", "-n", "openkes", "-d", name, **server.environment())
        for name in (DATABASE, "other")
    ]
    assert [line for line in dumped[0].splitlines() if "restrict" not in line] == [
        line for line in dumped[1].splitlines() if "restrict" not in line
    ]


def test_neither_password_nor_entries_are_in_the_servers_log(server: Server, target: Target, password: str) -> None:
    store = PostgresStore(target, TABLE)
    store.create("key", b"top-secret")
    with pytest.raises(Unreachable):
        store.create("other", b"")  # refused by the table: an error whose details would show the row
    assert "INSERT INTO" in server.log
    for secret in (password, "top-secret", b"top-secret".hex()):
        assert secret not in server.log


def test_a_server_starts_with_the_configuration_of_the_page(
    tmp_path: Path, keystore: dict[str, Any], target: Target
) -> None:
    with server_running(tmp_path, {"keystore": keystore}) as server, server.client() as client:
        client.create_key("my-key")
        assert client.describe_key("my-key")["name"] == "my-key"
        checked = moving.kes("server", "check", str(tmp_path / "config.yml"))
        assert "create, read, list and delete work" in checked.stdout + checked.stderr
    assert PostgresStore(target, TABLE).list("", 10).names == ["my-key"]


def test_keys_move_in_and_out_byte_for_byte(tmp_path: Path, keystore: dict[str, Any]) -> None:
    moving.there_and_back(tmp_path, keystore)


def test_a_store_without_a_table_is_no_source(tmp_path: Path, keystore: dict[str, Any]) -> None:
    keystore["postgres"]["table"] = "absent"
    (tmp_path / "old.yml").write_text(json.dumps({"keystore": keystore}))
    (tmp_path / "new.yml").write_text(json.dumps({"keystore": {"fs": {"path": str(tmp_path / "new")}}}))
    with pytest.raises(AssertionError, match=r"there is no table openkes\.absent yet"):
        moving.kes("migrate", "--from", str(tmp_path / "old.yml"), "--to", str(tmp_path / "new.yml"))
    assert not (tmp_path / "new").exists()


def test_a_dump_restored_has_every_key(server: Server, target: Target) -> None:
    store = PostgresStore(target, TABLE)
    store.create("key", b"entry\x00\xff")
    backup = block("postgres", "sh", "pg_dump")
    run("bash", "-e", "-c", backup, folder=server.folder / "files", **server.environment())
    store.create("later", b"entry")
    server.sql("DROP SCHEMA openkes CASCADE")
    run("pg_restore", "-d", DATABASE, "kes.dump", folder=server.folder / "files", **server.environment())
    assert store.get("key") == b"entry\x00\xff"
    store.create("again", b"entry")
    with pytest.raises(KeyNotFound):
        store.get("later")


def test_a_base_backup_has_every_key(server: Server, target: Target) -> None:
    PostgresStore(target, TABLE).create("key", b"entry")
    backup = block("postgres", "sh", "pg_dump")
    run("bash", "-e", "-c", backup, folder=server.folder / "files", **server.environment())
    server.stop()
    shutil.rmtree(server.folder / "data")
    (server.folder / "files" / "base").rename(server.folder / "data")
    server.start()
    assert PostgresStore(target, TABLE).get("key") == b"entry"
