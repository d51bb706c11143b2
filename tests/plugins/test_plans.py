"""Pure decisions: deployments, endpoints, names, policies, configuration, recap."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.plugins import conftest  # noqa: F401 - makes the collection importable

from ansible_collections.openkes.kes.plugins.plugin_utils import (  # isort: skip
    addresses,
    deployments,
    policy,
    recap,
    server_config,
)


def test_without_child_groups_all_hosts_are_one_deployment() -> None:
    assert deployments.split(["a", "b"], {}, {}) == [{"name": "minio", "hosts": ["a", "b"]}]


def test_each_child_group_is_a_deployment() -> None:
    found = deployments.split(["e1", "e2", "w1", "x"], {"east": ["e1", "e2"], "west": ["w1"], "none": []}, {})
    assert found == [
        {"name": "east", "hosts": ["e1", "e2"]},
        {"name": "west", "hosts": ["w1"]},
        {"name": "minio", "hosts": ["x"]},
    ]


def test_a_hosts_own_word_wins() -> None:
    found = deployments.split(["a", "b"], {"east": ["a", "b"]}, {"b": "west"})
    assert found == [{"name": "east", "hosts": ["a"]}, {"name": "west", "hosts": ["b"]}]


def test_a_host_in_two_child_groups_is_refused() -> None:
    with pytest.raises(deployments.DeploymentError, match="a is in two child groups"):
        deployments.split(["a"], {"east": ["a"], "west": ["a"]}, {})


@pytest.mark.parametrize(("present", "sentences"), [(["a", "b", "c"], 0), (["a", "b"], 0), (["a", "c"], 1), ([], 0)])
def test_a_part_of_a_deployment_is_noticed(present: list[str], sentences: int) -> None:
    both = [{"name": "east", "hosts": ["a", "b"]}, {"name": "west", "hosts": ["c"]}]
    assert len(deployments.incomplete(both, present)) == sentences


def test_a_restart_is_due_for_all_when_one_host_needs_it() -> None:
    hostvars: dict[str, Any] = {
        "a": {"kes_minio_environment_result": {"restart_due": ["MinIO's environment changed"]}},
        "b": {"kes_minio_environment_result": {"restart_due": []}, "kes_minio_state": {"unseen": []}},
    }
    assert deployments.due(["a", "b"], hostvars) == ["MinIO's environment changed (a)"]
    assert deployments.due(["b"], hostvars) == []


def test_hosts_that_use_the_master_key_already() -> None:
    states = {"b": {"key_in_use": "k"}, "a": {"key_in_use": "k"}, "c": {"key_in_use": "other"}, "d": {"key_in_use": ""}}
    hostvars: dict[str, Any] = {host: {"kes_minio_state": state} for host, state in states.items()}
    assert deployments.key_users({**hostvars, "kes-1": {}}, "k") == ["a", "b"]


def test_a_running_minio_with_other_values_needs_a_restart() -> None:
    hostvars = {"a": {"kes_minio_state": {"unseen": ["MINIO_KMS_KES_CAPATH"]}}}
    assert "MINIO_KMS_KES_CAPATH" in deployments.due(["a"], hostvars)[0]


@pytest.mark.parametrize(
    ("variables", "for_minio", "for_controller"),
    [
        ({}, "https://kes-1:7373", "https://kes-1:7373"),
        ({"ansible_host": "10.0.0.5"}, "https://kes-1:7373", "https://10.0.0.5:7373"),
        ({"ansible_host": "10.0.0.5", "kes_server_advertise": "keys.example"},) + ("https://keys.example:7373",) * 2,
        ({"kes_server_advertise": "2001:db8::1", "kes_server_port": "7400"},) + ("https://[2001:db8::1]:7400",) * 2,
    ],
)
def test_endpoints(variables: dict[str, str], for_minio: str, for_controller: str) -> None:
    hostvars = {"kes-1": variables}
    assert addresses.endpoints(["kes-1"], hostvars) == [for_minio]
    assert addresses.endpoints(["kes-1"], hostvars, controller=True) == [for_controller]


def test_certificate_names_are_all_names_once() -> None:
    facts = {"hostname": "KES-1", "fqdn": "kes-1.example.org", "default_ipv4": {"address": "10.0.0.5"}}
    variables = {"ansible_host": "10.0.0.5", "ansible_facts": facts}
    assert addresses.certificate_names("kes-1", variables, ["keys.example"]) == [
        "kes-1", "kes-1.example.org", "localhost", "keys.example", "10.0.0.5", "127.0.0.1", "::1",
    ]  # fmt: skip


def test_an_alias_that_is_no_host_name_is_left_out() -> None:
    assert "key server (old)" not in addresses.certificate_names("key server (old)", {}, [])


def test_minio_may_use_its_keys_and_nothing_else() -> None:
    rules = policy.rules(["my-key"], False, [])
    assert rules == ["/v1/key/generate/my-key", "/v1/key/decrypt/my-key", "/v1/key/describe/my-key", "/v1/status"]
    assert not any("delete" in rule or "import" in rule or "create" in rule for rule in rules)


def test_creating_is_allowed_only_on_request() -> None:
    assert "/v1/key/create/my-key" in policy.rules(["my-key"], True, [])


BASE = {"version": "v1", "address": "0.0.0.0:7373", "tls": {"key": "k"}, "keystore": {"memory": {}}}


def test_the_operators_part_cannot_replace_ours() -> None:
    with pytest.raises(ValueError, match="address"):
        server_config.document(BASE, {}, {"address": "127.0.0.1:1"})


def test_an_empty_section_of_ours_is_kept() -> None:
    assert server_config.document(BASE, {}, {})["keystore"] == {"memory": {}}


@pytest.mark.parametrize(
    ("key", "value", "restart"),
    [
        ("policy", {"minio": {}}, False),
        ("admin", {"identity": "x"}, False),
        ("log", {"audit": "off"}, False),
        ("audit", {"mode": "required"}, False),
        ("deletion", {"wait": "0s"}, False),
        ("address", "0.0.0.0:7400", True),
        ("cache", {"expiry": {"any": "1m"}}, True),
        ("keystore", {"fs": {"path": "/x"}}, True),
    ],
)
def test_what_a_reload_does_not_cover(key: str, value: object, restart: bool) -> None:
    changed = server_config.restart_part({**BASE, key: value}) != server_config.restart_part(BASE)
    assert changed is restart


def config(*allow: str, identities: list[str] | None = None) -> dict[str, Any]:
    return {"policy": {"minio": {"allow": list(allow), "identities": ["x"] if identities is None else identities}}}


def withdrawn(old: object, new: dict[str, Any]) -> list[str]:
    return server_config.withdrawn(yaml.safe_dump(old), new)


D = "/v1/key/decrypt/"


@pytest.mark.parametrize(
    ("old", "new", "lost"),
    [
        (config(D + "a"), config(D + "b"), ["a"]),
        (config(D + "a"), config(D + "b", D + "a"), []),
        (config(D + "app-1"), config(D + "app*"), []),
        (config(D + "app*"), config(D + "app-1"), ["app*"]),
        (config(D + "a"), {}, ["a"]),
        (config(D + "a", identities=[]), {}, []),
        (config("/v1/key/create/a"), {}, []),
        ({}, config(D + "a"), []),
        (None, {}, []),
    ],
)
def test_a_key_taken_from_its_users_is_noticed(old: object, new: dict[str, Any], lost: list[str]) -> None:
    assert withdrawn(old, new) == lost


def test_a_broken_configuration_holds_nothing_back() -> None:
    assert server_config.withdrawn("a: [", {}) == []


def outcome(**facts: object) -> dict[str, Any]:
    found = {"deployments": [{"name": "east", "hosts": ["e1", "e2"]}]}
    return {
        "kes_minio_found": found,
        "kes_minio_outcome": {"changed": False, "proved": True, "restarted": False, "restart_due": False, **facts},
    }


EAST = ["e1", "e2"]


def test_recap_of_a_first_run() -> None:
    done = outcome(changed=True, restarted=True, healthy=True)
    key = {"name": "my-key", "changed": True, "key": {"algorithm": "AES256", "created_at": "2026-11-25T10:00:00Z"}}
    kes = {
        "kes_key_outcome": key,
        "kes_server_outcome": {"version": "1.0.0", "engine": "required", "action": "start"},
        "kes_pki_outcome": {"days_left": 364},
    }
    lines = recap.lines({"e1": done, "e2": done, "kes-1": kes}, ["kes-1"], EAST, False)
    assert lines[:3] == [
        "east   2 hosts   environment written, restarted together, 2/2 healthy, round trip 2/2",
        "keys   my-key (AES256, made 2026-11-25, just created)",
        "kes-1  openkes 1.0.0, certificate good for 364 days, started",
    ]


def test_recap_says_loudly_what_is_due() -> None:
    lines = recap.lines({"e1": outcome(restart_due=True), "e2": outcome()}, [], EAST, False)
    assert "RESTART DUE" in lines[0]
    assert lines[1].startswith("NOTE: east still runs with its old environment")


def test_recap_of_check_mode_promises_nothing() -> None:
    lines = recap.lines({"e1": outcome(changed=True, restarted=True), "e2": outcome()}, [], EAST, True)
    assert "would be written on 1, would be restarted together" in lines[0]
    assert lines[-1] == "check mode: nothing was changed"
