"""Several key servers on one key store: credentials of the store, and when the next server may be touched."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.plugins import conftest  # makes the collection importable

from ansible_collections.openkes.kes.plugins.plugin_utils import group, keystore  # isort: skip

VAULT: dict[str, Any] = {
    "vault": {"endpoint": "https://bao:8200", "namespace": None, "approle": {"id": "a", "secret": {"credential": "s"}}}
}


def test_settings_that_are_not_given_are_left_out() -> None:
    assert "namespace" not in keystore.given(VAULT)["vault"]
    assert keystore.given(VAULT)["vault"]["approle"]["secret"] == {"credential": "s"}


def test_a_value_is_written_and_a_file_is_left_where_it_is() -> None:
    written = keystore.credentials(VAULT, {"s": {"value": "hidden", "file": None}}, "/etc/openkes/credentials")
    assert written == [{"name": "s", "path": "/etc/openkes/credentials/s", "written": True, "encrypted": False}]
    brought = keystore.credentials(VAULT, {"s": {"file": "/root/s", "encrypted": True}}, "/etc/openkes/credentials")
    assert brought == [{"name": "s", "path": "/root/s", "written": False, "encrypted": True}]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "names the credential s, which kes_server_credentials does not have"),
        ({"s": {"value": "v"}, "t": {"value": "v"}}, "has t, which kes_server_keystore does not name"),
        ({"s": {}}, "exactly one of value and file"),
        ({"s": {"value": "v", "file": "/f"}}, "exactly one of value and file"),
        ({"s": {"value": "v", "encrypted": True}}, "only a file can be encrypted"),
    ],
)
def test_credentials_that_do_not_fit(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        keystore.credentials(VAULT, given, "/f")


@pytest.mark.parametrize("section", [{}, {"fs": {}, "memory": {}}])
def test_not_exactly_one_kind(section: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="name one"):
        keystore.kind(section)


def test_the_extra_that_a_kind_needs() -> None:
    assert keystore.extras(VAULT) == ["vault"]
    assert keystore.extras({"fs": {"path": "/keys"}}) == []


def test_the_check_takes_new_credentials_before_they_are_put() -> None:
    items = keystore.loaded([{"name": "s", "path": "/c/s", "encrypted": False}], "/seal", True)
    assert keystore.check_command(items, ["s"], "/kes", "systemd") == (
        "systemd-run --quiet --wait --pipe --collect --property=LoadCredentialEncrypted=kes-seal:/seal"
        " --property=LoadCredential=s:/c/s.new /kes server check"
    )
    assert keystore.check_command(items, ["s"], "/kes", "process") == "/kes server check"
    assert keystore.check_command([], [], "/kes", "systemd") == "/kes server check"


def test_the_check_takes_new_certificates_before_they_are_put() -> None:
    assert keystore.check_command([], [], "/kes", "systemd", ["/etc/ca.crt"]) == (
        "systemd-run --quiet --wait --pipe --collect --property=BindReadOnlyPaths=/etc/ca.crt.new:/etc/ca.crt"
        " /kes server check"
    )


def test_the_files_that_the_server_reads_itself() -> None:
    section = {"vault": {**VAULT["vault"], "tls": {"ca": "/ca.crt", "key": None}, "approle": {"id": {"file": "/id"}}}}
    assert keystore.certificate_files(section) == ["/ca.crt"]
    assert keystore.secret_files(section) == ["/id"]
    kubernetes = {"vault": {"kubernetes": {"role": "kes", "file": "/token"}}}  # a setting of its own, and no secret
    assert (keystore.certificate_files(kubernetes), keystore.secret_files(kubernetes)) == ([], [])
    sealed = {"fs": {"path": "/keys", "seal": {"key": {"file": "/seal"}}}}
    assert (keystore.certificate_files(sealed), keystore.secret_files(sealed)) == ([], ["/seal"])


def test_no_setting_of_ansible_restarts_all_key_servers_at_once() -> None:
    plays = yaml.safe_load((conftest.ROOT / "playbooks/site.yml").read_text())
    linear = [play["hosts"] for play in plays if play.get("strategy") == "linear"]
    assert linear == ["kes", "minio"]


def test_without_systemd_a_credential_is_its_file() -> None:
    found = keystore.with_files(keystore.given(VAULT), {"s": "/c/s"})
    assert found["vault"]["approle"]["secret"] == {"file": "/c/s"}


def hosts(**acted: float) -> dict[str, Any]:
    return {name: {"kes_server_outcome": {"acted_at": at, "digest": "d" * bool(at)}} for name, at in acted.items()}


@pytest.mark.parametrize(
    ("acted", "expected"),
    [({}, 0), ({"a": 0.0}, 0), ({"a": 990.0, "b": 0.0}, 25), ({"a": 990.0, "b": 999.5}, 35), ({"a": 900.0}, 0)],
)
def test_the_pause_counts_from_the_last_server_touched(acted: dict[str, float], expected: int) -> None:
    assert group.seconds_to_wait(["a", "b", "c"], {**hosts(**acted), "c": {}}, 35, 1000.0) == expected


def test_only_servers_that_told_a_digest_are_compared() -> None:
    assert group.with_digest(["a", "b", "c"], {**hosts(a=1.0, b=0.0), "c": {}}) == ["a"]
