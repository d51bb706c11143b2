"""The master key: there after the role, untouched by every later run, refused clearly where it cannot be made."""

from __future__ import annotations

from typing import Any

import pytest

from tests.roles import on_host, rerun

ENTRY = "/var/lib/openkes/keys/my-master-key"


@pytest.fixture(scope="module")
def host() -> Any:
    return on_host.connect("kes-1")


def test_key_is_there(host: Any) -> None:
    entry = host.file(ENTRY)
    assert (entry.user, entry.mode) == ("openkes", 0o600)
    assert entry.size > 0


def test_admin_key_never_came_to_the_key_server(host: Any) -> None:
    assert on_host.files_with_private_keys(host) == {"/etc/openkes/tls/server.key"}


def test_another_run_does_not_replace_it(host: Any) -> None:
    before = (host.file(ENTRY).sha256sum, host.file(ENTRY).mtime)
    done = rerun.play("converge.yml")
    assert done.returncode == 0
    assert "changed=0" in rerun.said(done)
    assert (host.file(ENTRY).sha256sum, host.file(ENTRY).mtime) == before


def test_another_name_makes_another_key(host: Any) -> None:
    before = host.file(ENTRY).sha256sum
    done = rerun.play("converge.yml", kes_key_name="second-key")
    assert done.returncode == 0
    assert host.file("/var/lib/openkes/keys/second-key").exists
    assert host.file(ENTRY).sha256sum == before


def test_check_mode_makes_no_key(host: Any) -> None:
    done = rerun.play("converge.yml", "--check", kes_key_name="only-thought-of")
    assert done.returncode == 0
    assert "changed=1" in rerun.said(done)
    assert not host.file("/var/lib/openkes/keys/only-thought-of").exists


def test_a_name_that_is_none_is_refused(host: Any) -> None:
    done = rerun.play("converge.yml", kes_key_name="no/name")
    assert done.returncode != 0
    assert "no/name" in rerun.said(done)


def test_a_key_server_that_is_down_is_named(host: Any) -> None:
    address = host.check_output("getent hosts kes-1").split()[0]
    host.check_output("systemctl stop openkes")
    try:
        done = rerun.play("converge.yml")
    finally:
        host.check_output("systemctl start openkes")
    assert done.returncode != 0
    assert f"cannot reach https://{address}:7373 (connection refused)" in rerun.said(done)
