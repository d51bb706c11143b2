"""Actions that run on the controller alone: deployments from the inventory's tree, the policy of the MinIO hosts."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import servers

Playbook = Callable[..., subprocess.CompletedProcess[str]]

INVENTORY = """
kes: {hosts: {kes-1: }}
minio:
  children:
    east: {hosts: {"minio-e[1:2]": }}
    west: {hosts: {minio-w1: }}
all: {vars: {ansible_connection: local}}
"""
PLAY = """
- hosts: all
  gather_facts: false
  tasks:
    - openkes.kes.%s
      run_once: true
      register: result
    - ansible.builtin.debug: {msg: "RESULT{{ result | to_json }}END"}
      run_once: true
"""
DEPLOYMENTS = PLAY % "deployments:"
POLICY = PLAY % (
    'minio_policy: {hosts: "{{ groups.minio }}", folder: "{{ playbook_dir }}/pki", keys: [my-key], mode: "{{ mode }}"}'
)


def result(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"RESULT(.*)END", done.stdout)
    assert found is not None
    text: str = json.loads(f'"{found.group(1)}"')
    answer: dict[str, Any] = json.loads(text)
    return answer


def test_child_groups_are_deployments(playbook: Playbook) -> None:
    assert result(playbook(DEPLOYMENTS, INVENTORY))["deployments"] == [
        {"name": "east", "hosts": ["minio-e1", "minio-e2"]},
        {"name": "west", "hosts": ["minio-w1"]},
    ]


def test_a_flat_group_is_one_deployment(playbook: Playbook) -> None:
    inventory = "minio: {hosts: {a: , b: }}\nall: {vars: {ansible_connection: local}}\n"
    assert result(playbook(DEPLOYMENTS, inventory))["deployments"] == [{"name": "minio", "hosts": ["a", "b"]}]


def test_a_whole_deployment_may_be_run_alone(playbook: Playbook) -> None:
    assert len(result(playbook(DEPLOYMENTS, INVENTORY, "--limit", "east"))["deployments"]) == 2


def test_a_part_of_a_deployment_is_refused(playbook: Playbook) -> None:
    done = playbook(DEPLOYMENTS, INVENTORY, "--limit", "minio-e1,minio-w1")
    assert done.returncode != 0
    said = " ".join((done.stdout + done.stderr).split())
    assert "The deployment east has 2 hosts, and minio-e2 would be left out of this run." in said
    assert "Nothing was changed on any MinIO host" in said


@pytest.fixture
def issued(tmp_path: Path) -> dict[str, str]:
    """Identities of the hosts whose certificates are known on the controller, by host."""
    folder = tmp_path / "pki/issued"
    folder.mkdir(parents=True)
    known = {}
    for host in ("minio-e1", "minio-e2", "minio-w1"):
        made = servers.make_identity(tmp_path, host)
        (folder / f"{host}.client.crt").write_bytes(made.cert.read_bytes())
        known[host] = made.identity
    return known


def test_all_hosts_are_in_the_policy_whatever_the_limit(playbook: Playbook, issued: dict[str, str]) -> None:
    answer = result(playbook(POLICY, INVENTORY, "-e", "mode=least", "--limit", "kes"))
    assert answer["policies"]["minio"]["identities"] == sorted(issued.values())


def test_an_unknown_host_stops_the_run(playbook: Playbook, issued: dict[str, str], tmp_path: Path) -> None:
    assert issued
    (tmp_path / "pki/issued/minio-w1.client.crt").unlink()
    done = playbook(POLICY, INVENTORY, "-e", "mode=least")
    assert done.returncode != 0
    assert "The identity of minio-w1 is not known" in " ".join((done.stdout + done.stderr).split())


def test_check_mode_counts_unknown_hosts(playbook: Playbook) -> None:
    answer = result(playbook(POLICY, INVENTORY, "-e", "mode=least", "--check"))
    assert answer["predicted"] == ["minio-e1", "minio-e2", "minio-w1"]


def test_the_admin_needs_no_policy(playbook: Playbook) -> None:
    assert result(playbook(POLICY, INVENTORY, "-e", "mode=root"))["policies"] == {}
