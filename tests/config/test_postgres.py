"""`keystore.postgres`: one fault a test, with its line and what to do."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from openkes.config.keystores.postgres import PostgresSettings
from openkes.config.load import load_keystore
from openkes.config.node import ConfigError
from openkes.config.stores import open_store
from openkes.errors import OperatorError
from openkes.keystore.http import ClientTLS
from openkes.keystore.postgres.target import Host

HERE = "endpoint: 127.0.0.1"


def read(folder: Path, *lines: str) -> PostgresSettings:
    text = "keystore:\n  postgres:\n" + "".join(f"    {line}\n" for line in lines)
    (folder / "config.yml").write_text(text)
    settings = load_keystore(folder / "config.yml")
    assert isinstance(settings, PostgresSettings)
    return settings


def test_everything(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        "endpoint: [db-1.example.com, 'db-2.example.com:5433']",
        "database: vault",
        "user: kes",
        "password: top-secret",
        "schema: minio",
        "table: kes_keys",
        "tls: {ca: ca.crt, cert: pg.crt, key: pg.key}",
    )
    assert settings.hosts == (Host("db-1.example.com", 5432), Host("db-2.example.com", 5433))
    assert settings.password is not None
    assert settings.password.read() == "top-secret"
    assert settings.tls == ClientTLS(Path("ca.crt"), Path("pg.key"), Path("pg.crt"))
    described = "PostgreSQL db-1.example.com:5432, db-2.example.com:5433, table minio.kes_keys in vault"
    assert settings.describe() == described


def test_what_need_not_be_said(tmp_path: Path) -> None:
    settings = read(tmp_path, "endpoint: /run/postgresql", "user: kes")
    expected = PostgresSettings(
        (Host("/run/postgresql", 5432),), "kes", None, "openkes", "openkes", "keys", ClientTLS()
    )
    assert settings == expected


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("localhost", Host("localhost")),
        ("'localhost:1'", Host("localhost", 1)),
        ("'[::1]:5433'", Host("::1", 5433)),
        ("'[::1]'", Host("::1")),
        ("'/run/postgresql:5433'", Host("/run/postgresql", 5433)),
    ],
)
def test_hosts_on_this_machine(tmp_path: Path, text: str, host: Host) -> None:
    settings = read(tmp_path, f"endpoint: {text}", "user: kes")
    assert settings.hosts == (host,)
    assert settings._target().parameters(host)["sslmode"] == "prefer"


def test_another_machine_proves_its_name(tmp_path: Path) -> None:
    settings = read(tmp_path, "endpoint: db.example.com", "user: kes", "tls: {ca: ca.crt}")
    parameters = settings._target().parameters(settings.hosts[0])
    assert (parameters["sslmode"], parameters["sslrootcert"]) == ("verify-full", "ca.crt")


def test_no_secret_is_shown(tmp_path: Path) -> None:
    settings = read(tmp_path, HERE, "user: kes", "password: top-secret")
    shown = repr(settings) + str(settings) + settings.describe() + repr(settings._target())
    assert "top-secret" not in shown
    assert "top-secret" not in str(settings._target().parameters(settings.hosts[0]))


def test_the_same_place_whoever_asks_and_in_whatever_order(tmp_path: Path) -> None:
    one = read(tmp_path, "endpoint: [localhost, 127.0.0.1]", "user: kes", "password: one")
    other = read(tmp_path, "endpoint: [127.0.0.1, localhost]", "user: root", "password: other")
    assert one.place() == other.place()
    assert one.place() != read(tmp_path, "endpoint: [localhost, 127.0.0.1]", "user: kes", "table: other").place()


@pytest.mark.parametrize(
    ("lines", "line", "text", "hint"),
    [
        (["user: kes"], 2, "'keystore.postgres.endpoint' is missing", "name its hosts"),
        ([HERE], 2, "'keystore.postgres.user' is missing", "name a role that may log in"),
        (["endpoint: []", "user: kes"], 3, "'keystore.postgres.endpoint' is empty", "write HOST:PORT"),
        (["endpoint: postgresql://kes:pw@db/x", "user: kes"], 3, "endpoint' is not a host", "write HOST:PORT"),
        (["endpoint: '127.0.0.1:0'", "user: kes"], 3, "has the port '0'", "from 1 to 65535"),
        (["endpoint: '127.0.0.1:65536'", "user: kes"], 3, "has the port '65536'", "from 1 to 65535"),
        (["endpoint: db.example.com", "user: kes"], 3, "'keystore.postgres.tls.ca' is missing", "name the authority"),
        (["endpoint: [localhost, db]", "user: kes"], 3, "'keystore.postgres.tls.ca' is missing", "name the authority"),
        ([HERE, "user: ''"], 4, "'keystore.postgres.user' is empty", ""),
        ([HERE, "user: kes", "password: ''"], 5, "'keystore.postgres.password' is empty", "write it"),
        ([HERE, "user: kes", "schema: Public"], 5, "'keystore.postgres.schema' is 'Public'", "use up to 40"),
        ([HERE, "user: kes", "table: a-b"], 5, "'keystore.postgres.table' is 'a-b'", "use up to 40"),
        ([HERE, "user: kes", "tls: {key: k}"], 5, "'keystore.postgres.tls.cert' is missing", "a pair of files"),
        ([HERE, "user: kes", "dsn: x"], 5, "unknown key 'keystore.postgres.dsn'", "known here"),
    ],
)
def test_faults(tmp_path: Path, lines: list[str], line: int, text: str, hint: str) -> None:
    with pytest.raises(ConfigError) as error:
        read(tmp_path, *lines)
    assert str(error.value).startswith(f"{tmp_path}/config.yml:{line}: ")
    assert text in str(error.value)
    assert hint in error.value.hint
    assert "pw@" not in str(error.value) + error.value.hint


@pytest.mark.parametrize("call", ["open", "absent", "check_absent"])
def test_without_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    for name in [name for name in sys.modules if name.startswith(("psycopg", "openkes.keystore.postgres."))]:
        if not name.endswith("target"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    settings = read(tmp_path, HERE, "user: kes")
    with pytest.raises(OperatorError, match="needs the Python package psycopg") as error:
        getattr(settings, call)()
    assert "openkes[postgres]" in error.value.hint


def test_a_server_that_is_away_is_said_with_what_to_look_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openkes.keystore.postgres.database.RESTART_SECONDS", 0.1)
    settings = read(tmp_path, "endpoint: '127.0.0.1:1'", "user: kes")
    for call in (lambda: open_store(settings), settings.absent, settings.check_absent):
        with pytest.raises(OperatorError, match="Connection refused") as error:
            call()
        assert "psql" in error.value.hint
