"""`keystore.etcd`: one fault a test, with its line and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from openkes.config.keystores.etcd import EtcdSettings
from openkes.config.load import load_keystore
from openkes.config.node import ConfigError
from openkes.config.stores import open_store
from openkes.errors import OperatorError
from openkes.keystore.http import ClientTLS


def read(folder: Path, *lines: str) -> EtcdSettings:
    text = "keystore:\n  etcd:\n" + "".join(f"    {line}\n" for line in lines)
    (folder / "config.yml").write_text(text)
    settings = load_keystore(folder / "config.yml")
    assert isinstance(settings, EtcdSettings)
    return settings


def test_everything(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        "endpoint: [https://a.example.com:2379/, https://b.example.com:2379]",
        "prefix: /kes/",
        "user: kes",
        "password: top-secret",
        "tls: {ca: ca.crt, cert: etcd.crt, key: etcd.key}",
    )
    assert settings.endpoints == ("https://a.example.com:2379", "https://b.example.com:2379")
    assert (settings.prefix, settings.user) == ("/kes/", "kes")
    assert settings.password is not None
    assert settings.password.read() == "top-secret"
    assert settings.tls == ClientTLS(Path("ca.crt"), Path("etcd.key"), Path("etcd.crt"))
    assert settings.describe() == "etcd https://a.example.com:2379, https://b.example.com:2379, prefix /kes/"


def test_what_need_not_be_said(tmp_path: Path) -> None:
    settings = read(tmp_path, "endpoint: http://127.0.0.1:2379")
    assert settings == EtcdSettings(("http://127.0.0.1:2379",), "/openkes/keys/", None, None, ClientTLS())


def test_no_secret_is_shown(tmp_path: Path) -> None:
    settings = read(tmp_path, "endpoint: http://127.0.0.1:2379", "user: kes", "password: top-secret")
    assert "top-secret" not in repr(settings) + str(settings) + settings.describe()


def test_the_same_place_whoever_asks_and_in_whatever_order(tmp_path: Path) -> None:
    one = read(tmp_path, "endpoint: [https://a:1, https://b:1]", "user: kes", "password: one")
    other = read(tmp_path, "endpoint: [https://b:1, https://a:1]", "user: root", "password: other")
    assert one.place() == other.place()
    assert one.place() != read(tmp_path, "endpoint: [https://a:1, https://b:1]", "prefix: /other/").place()


@pytest.mark.parametrize(
    ("lines", "line", "text", "hint"),
    [
        (["prefix: /kes/"], 2, "'keystore.etcd.endpoint' is missing", "name a member, or all"),
        (["endpoint: []"], 3, "'keystore.etcd.endpoint' is empty", "write a URL"),
        (["endpoint: etcd:2379"], 3, "'keystore.etcd.endpoint' is 'etcd:2379'", "write a URL"),
        (["endpoint: http://etcd.example.com:2379"], 3, "keys would cross the network in the clear", "write https://"),
        (
            ["endpoint: https://a:1", "prefix: /kes"],
            4,
            "'keystore.etcd.prefix' is '/kes'",
            "end it with a slash: /kes/",
        ),
        (["endpoint: https://a:1", "prefix: ''"], 4, "'keystore.etcd.prefix' is empty", ""),
        (["endpoint: https://a:1", "user: kes"], 4, "'keystore.etcd.password' is missing", "a login needs both"),
        (["endpoint: https://a:1", "password: p"], 4, "'keystore.etcd.user' is missing", "a login needs both"),
        (["endpoint: https://a:1", "tls: {key: k}"], 4, "'keystore.etcd.tls.cert' is missing", "a pair of files"),
        (["endpoint: https://a:1", "tls: {cert: c}"], 4, "'keystore.etcd.tls.key' is missing", "a pair of files"),
        (["endpoint: https://a:1", "tls: {caa: c}"], 4, "unknown key 'keystore.etcd.tls.caa'", "did you mean 'ca'?"),
        (["endpoints: https://a:1"], 3, "unknown key 'keystore.etcd.endpoints'", "did you mean 'endpoint'?"),
    ],
)
def test_faults(tmp_path: Path, lines: list[str], line: int, text: str, hint: str) -> None:
    with pytest.raises(ConfigError) as error:
        read(tmp_path, *lines)
    assert str(error.value).startswith(f"{tmp_path}/config.yml:{line}: ")
    assert text in str(error.value)
    assert hint in error.value.hint


def test_an_etcd_that_is_away_is_said_with_what_to_look_at(tmp_path: Path) -> None:
    settings = read(tmp_path, "endpoint: http://127.0.0.1:1")
    with pytest.raises(OperatorError, match="Connection refused") as error:
        open_store(settings)
    assert "etcdctl endpoint health" in error.value.hint


def test_a_ca_that_cannot_be_read(tmp_path: Path) -> None:
    settings = read(tmp_path, "endpoint: https://127.0.0.1:1", f"tls: {{ca: {tmp_path}/absent.crt}}")
    with pytest.raises(OperatorError, match=r"cannot use the TLS files .*absent\.crt: No such file"):
        open_store(settings)
