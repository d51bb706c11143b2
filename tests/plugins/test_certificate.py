"""`certificate` on this machine: the host's half by a local connection, the controller's half by its action."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.plugins import conftest

Playbook = Callable[..., subprocess.CompletedProcess[str]]
INVENTORY = """
all:
  hosts:
    here: {ansible_connection: local, ansible_python_interpreter: "{{ ansible_playbook_python }}"}
"""
PLAY = """
- hosts: here
  gather_facts: false
  tasks:
    - openkes.kes.authority:
        folder: "{{ playbook_dir }}/pki"
    - openkes.kes.authority:
        folder: "{{ playbook_dir }}/pki"
        part: admin
    - openkes.kes.certificate:
        mode: "{{ mode | default('ca') }}"
        authority: "{{ playbook_dir }}/pki"
        key: "{{ playbook_dir }}/etc/client.key"
        certificate: "{{ playbook_dir }}/etc/client.crt"
        trust: "{{ playbook_dir }}/etc/ca.crt"
        trust_text: "{{ trust | default(lookup('openkes.kes.trust', 'ca', folder=playbook_dir ~ '/pki')) }}"
        common_name: here
        names: "{{ names | default([]) }}"
        usage: client
        restart_marker: "{{ playbook_dir }}/etc/restart-pending"
        key_file: "{{ playbook_dir }}/pki/admin.key"
        certificate_file: "{{ playbook_dir }}/pki/admin.crt"
      register: result
    - ansible.builtin.debug:
        msg: "identity={{ result.identity }} reason={{ result.reason }}"
"""


def ok(done: subprocess.CompletedProcess[str], changed: int) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"changed={changed} " in done.stdout, done.stdout
    assert "PRIVATE KEY" not in done.stdout
    return done.stdout


@pytest.fixture
def made(playbook: Playbook, tmp_path: Path) -> Path:
    """The folder of the host's files after a first run."""
    ok(playbook(PLAY, INVENTORY, "--diff"), 3)
    return tmp_path / "etc"


def test_check_mode_on_a_fresh_host_makes_nothing(playbook: Playbook, tmp_path: Path) -> None:
    out = ok(playbook(PLAY, INVENTORY, "--check", "--diff"), 3)
    assert "private key" in out
    assert not (tmp_path / "etc").exists()
    assert not (tmp_path / "pki").exists()


def test_a_pair_is_made_once(playbook: Playbook, made: Path) -> None:
    before = [(made / name).read_bytes() for name in ("client.key", "client.crt", "ca.crt")]
    ok(playbook(PLAY, INVENTORY), 0)
    assert [(made / name).read_bytes() for name in ("client.key", "client.crt", "ca.crt")] == before


def test_the_pair_is_what_it_should_be(made: Path, tmp_path: Path) -> None:
    assert (made / "client.key").stat().st_mode & 0o777 == 0o400
    text = subprocess.run(
        ["openssl", "x509", "-in", made / "client.crt", "-noout", "-text"], capture_output=True, text=True, check=True
    ).stdout
    for said in ("prime256v1", "CA:FALSE", "TLS Web Client Authentication", "Issuer: CN = openkes authority"):
        assert said in text
    assert (tmp_path / "pki/issued/here.client.crt").read_text() == (made / "client.crt").read_text()


def test_an_open_key_is_closed(playbook: Playbook, made: Path) -> None:
    (made / "client.key").chmod(0o644)
    ok(playbook(PLAY, INVENTORY), 1)
    assert (made / "client.key").stat().st_mode & 0o777 == 0o400


def test_other_names_keep_the_key(playbook: Playbook, made: Path) -> None:
    key, certificate = (made / "client.key").read_bytes(), (made / "client.crt").read_bytes()
    ok(playbook(PLAY, INVENTORY, "-e", '{"names": ["here.example"]}'), 1)
    assert (made / "client.key").read_bytes() == key
    assert (made / "client.crt").read_bytes() != certificate


def test_self_signed_is_a_leaf_of_its_own(playbook: Playbook, made: Path) -> None:
    ok(playbook(PLAY, INVENTORY, "-e", "mode=self_signed"), 1)
    text = subprocess.run(
        ["openssl", "x509", "-in", made / "client.crt", "-noout", "-text"], capture_output=True, text=True, check=True
    ).stdout
    assert text.count("CN = here") == 2
    assert "CA:FALSE" in text
    assert "CA:TRUE" not in text
    ok(playbook(PLAY, INVENTORY, "-e", "mode=self_signed"), 0)


@pytest.mark.parametrize("content", ["", "not a key\n"])
def test_a_broken_key_is_left_alone(playbook: Playbook, made: Path, content: str) -> None:
    (made / "client.key").chmod(0o600)
    (made / "client.key").write_text(content)
    done = playbook(PLAY, INVENTORY)
    assert done.returncode != 0
    assert "It was left as it is" in done.stdout
    assert (made / "client.key").read_text() == content


def test_new_trust_notes_a_restart_and_the_first_does_not(playbook: Playbook, made: Path) -> None:
    assert not (made / "restart-pending").exists()
    ok(playbook(PLAY, INVENTORY, "-e", '{"trust": "other\\n"}'), 1)
    assert "ca.crt changed" in (made / "restart-pending").read_text()


def test_the_root_mode_brings_the_admins_key_and_leaving_it_makes_a_new_one(playbook: Playbook, made: Path) -> None:
    admin = (made.parent / "pki/admin.key").read_bytes()
    ok(playbook(PLAY, INVENTORY, "-e", "mode=files", "--diff"), 1)
    assert (made / "client.key").read_bytes() == admin
    ok(playbook(PLAY, INVENTORY, "-e", "mode=files"), 0)
    ok(playbook(PLAY, INVENTORY, "--check"), 1)
    assert (made / "client.key").read_bytes() == admin
    ok(playbook(PLAY, INVENTORY), 1)
    assert (made / "client.key").read_bytes() != admin
    ok(playbook(PLAY, INVENTORY), 0)


def test_a_new_authority_issues_anew_on_the_same_key(playbook: Playbook, made: Path) -> None:
    key = (made / "client.key").read_bytes()
    for name in ("ca.key", "ca.crt"):
        (made.parent / "pki" / name).unlink()
    out = ok(playbook(PLAY, INVENTORY), 2)
    assert "present authority" in out
    assert (made / "client.key").read_bytes() == key
    assert (made / "restart-pending").exists()


def test_a_host_without_openssl_is_told_so(
    run_module: conftest.RunModule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A PATH with nothing but Python's folder; the module looks into the sbin folders too, which hold no openssl.
    monkeypatch.setenv("PATH", str(tmp_path))
    answer = run_module(
        "certificate", key=f"{tmp_path}/k", certificate=f"{tmp_path}/c", common_name="x", usage="client",
        authority=f"{tmp_path}/pki",
    )  # fmt: skip
    assert answer["failed"] is True
    assert "Install the package openssl" in answer["msg"]
