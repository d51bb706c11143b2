"""`keystore.vault`: one fault a test, with its line and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from openkes.config.keystores.vault import VaultSettings
from openkes.config.keystores.vault_login import SERVICE_ACCOUNT, AppRole, Kubernetes
from openkes.config.load import load_keystore
from openkes.config.node import ConfigError
from openkes.errors import OperatorError
from openkes.keystore.http import ClientTLS

URL = "endpoint: https://a.example.com:8200"
LOGIN = "approle: {id: the-role, secret: top-secret}"


def read(folder: Path, *lines: str) -> VaultSettings:
    text = "keystore:\n  vault:\n" + "".join(f"    {line}\n" for line in lines)
    (folder / "config.yml").write_text(text)
    settings = load_keystore(folder / "config.yml")
    assert isinstance(settings, VaultSettings)
    return settings


def test_everything(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        "endpoint: [https://a.example.com:8200/, https://b.example.com:8200]",
        "engine: secret/",
        "version: v2",
        "namespace: team/kes",
        "prefix: /minio/keys/",
        "approle: {engine: roles, namespace: /, id: the-role, secret: top-secret, retry: 15s}",
        "transit: {engine: wrap, key: openkes}",
        "tls: {ca: ca.crt, cert: kes.crt, key: kes.key}",
        "status: {ping: 30s}",
    )
    assert settings.endpoints == ("https://a.example.com:8200", "https://b.example.com:8200")
    assert (settings.engine, settings.version, settings.namespace) == ("secret", 2, "team/kes")
    assert (settings.prefix, settings.transit, settings.ping) == ("minio/keys", ("wrap", "openkes"), 30.0)
    assert settings.tls == ClientTLS(Path("ca.crt"), Path("kes.key"), Path("kes.crt"))
    login = settings.login
    assert isinstance(login, AppRole)
    assert (login.role_id.read(), login.secret_id.read()) == ("the-role", "top-secret")
    assert (login.engine, login.namespace, login.retry) == ("roles", "", 15.0)
    assert settings.describe() == (
        "vault https://a.example.com:8200, https://b.example.com:8200, namespace team/kes, secret/minio/keys "
        "(KV version 2), wrapped by wrap/openkes"
    )


def test_what_need_not_be_said(tmp_path: Path) -> None:
    settings = read(tmp_path, URL, LOGIN)
    assert settings == VaultSettings(("https://a.example.com:8200",), settings.login)
    assert (settings.engine, settings.version, settings.prefix) == ("kv", 1, "")
    assert isinstance(settings.login, AppRole)
    assert (settings.login.engine, settings.login.namespace) == ("approle", "")
    assert settings.describe() == "vault https://a.example.com:8200, kv (KV version 1)"


def test_upstreams_example_with_every_setting_left_empty(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        URL,
        'engine: ""',
        'version: ""',
        'namespace: ""',
        'prefix: ""',
        'transit: {engine: "", key: ""}',
        'approle: {engine: "", namespace: "", id: "the-role", secret: "top-secret", retry: 15s}',
        'kubernetes: {engine: "", namespace: "", role: "", jwt: "", retry: }',
        'tls: {key: "", cert: "", ca: ""}',
        "status: {ping: }",
    )
    assert (settings.engine, settings.version, settings.transit) == ("kv", 1, None)
    assert (settings.tls, settings.ping) == (ClientTLS(), 10.0)


def test_the_login_is_in_the_namespace_of_the_data_unless_it_has_its_own(tmp_path: Path) -> None:
    assert read(tmp_path, URL, "namespace: team", LOGIN).login.namespace == "team"
    assert read(tmp_path, URL, "namespace: /", LOGIN).namespace == ""
    own = "kubernetes: {role: kes, namespace: ops}"
    assert read(tmp_path, URL, "namespace: team", own).login.namespace == "ops"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", SERVICE_ACCOUNT),
        ("file: /run/token", Path("/run/token")),
        ("jwt: /run/token", Path("/run/token")),
    ],
)
def test_where_the_token_of_kubernetes_is(tmp_path: Path, line: str, expected: Path) -> None:
    login = read(tmp_path, URL, f"kubernetes: {{role: kes, {line}}}").login
    assert isinstance(login, Kubernetes)
    assert login.jwt == expected


def test_the_token_of_kubernetes_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JWT", "eyJ.eyJ.sig")
    login = read(tmp_path, URL, 'kubernetes: {role: kes, jwt: "${JWT}"}').login
    assert login.open().body() == {"role": "kes", "jwt": "eyJ.eyJ.sig"}


def test_a_file_with_no_token(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("\n")
    login = read(tmp_path, URL, f"kubernetes: {{role: kes, file: {tmp_path}/token}}").login
    with pytest.raises(OperatorError, match=r"token \(keystore\.vault\.kubernetes\) holds no token"):
        login.open().body()


def test_no_secret_is_shown(tmp_path: Path) -> None:
    settings = read(tmp_path, URL, LOGIN)
    shown = repr(settings) + str(settings) + settings.describe() + repr(settings.login.open())
    assert "top-secret" not in shown


def test_the_same_place_whoever_asks_and_in_whatever_order(tmp_path: Path) -> None:
    one = read(tmp_path, "endpoint: [https://a:1, https://b:1]", LOGIN)
    other = read(tmp_path, "endpoint: [https://b:1, https://a:1]", "kubernetes: {role: kes}")
    assert one.place() == other.place()
    assert one.place() != read(tmp_path, "endpoint: [https://a:1, https://b:1]", "prefix: kes", LOGIN).place()


@pytest.mark.parametrize(
    ("lines", "line", "text", "hint"),
    [
        ([LOGIN], 2, "'keystore.vault.endpoint' is missing", "name a node, or all"),
        (["endpoint: http://vault.example.com:8200", LOGIN], 3, "keys would cross the network in the clear", "https"),
        ([URL], 2, "'keystore.vault' names 0 logins", "exactly one of the sections approle and kubernetes"),
        ([URL, LOGIN, "kubernetes: {role: kes}"], 2, "'keystore.vault' names 2 logins", "exactly one"),
        ([URL, "approle: {id: a}"], 4, "'keystore.vault.approle.secret' is missing", "both, id and secret"),
        ([URL, "approle: {secret: a}"], 4, "'keystore.vault.approle.id' is missing", "both, id and secret"),
        ([URL, "approle: {id: a, secrets: b}"], 4, "unknown key 'keystore.vault.approle.secrets'", "'secret'"),
        ([URL, "kubernetes: {jwt: a}"], 4, "'keystore.vault.kubernetes.role' is missing", "name the role"),
        ([URL, "kubernetes: {role: a, jwt: b, file: c}"], 4, "has both, jwt and file", "keep one of them"),
        ([URL, LOGIN, "version: 2"], 5, "'keystore.vault.version' is '2'", "write one of: v1, v2"),
        ([URL, LOGIN, "engine: a//b"], 5, "'keystore.vault.engine' is 'a//b', which is no path", "write it like kv"),
        ([URL, LOGIN, "prefix: a?b"], 5, "'keystore.vault.prefix' is 'a?b', which is no path", "write it like kv"),
        ([URL, LOGIN, "prefix: ../b"], 5, "'keystore.vault.prefix' is '../b', which is no path", "write it like kv"),
        ([URL, LOGIN, "namespace: 'a b'"], 5, "'keystore.vault.namespace' is 'a b', which is no path", ""),
        ([URL, LOGIN, "transit: {engine: a}"], 5, "'keystore.vault.transit.key' is missing", "name the transit key"),
        ([URL, LOGIN, "status: {ping: often}"], 5, "'often', which is not a duration", "write it like"),
        ([URL, LOGIN, "tls: {key: a}"], 5, "'keystore.vault.tls.cert' is missing", "a pair of files"),
        ([URL, LOGIN, "token: a"], 5, "unknown key 'keystore.vault.token'", "known here: "),
    ],
)
def test_a_fault(tmp_path: Path, lines: list[str], line: int, text: str, hint: str) -> None:
    with pytest.raises(ConfigError) as error:
        read(tmp_path, *lines)
    assert str(error.value).startswith(f"{tmp_path}/config.yml:{line}: ")
    assert text in str(error.value)
    assert hint in error.value.hint
