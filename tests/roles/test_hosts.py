"""The test hosts themselves: a scenario that fails should never have to suspect them."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts import base, fleet, registry, ssh
from tests.hosts.registry import Process, Run
from tests.hosts.support import HostsError, why_not

hosts = pytest.mark.hosts
needs_hosts = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))


@pytest.fixture
def run() -> Iterator[Run]:
    name = f"selftest-{os.getpid()}"
    try:
        yield fleet.up(name, ["one", "two"])
    finally:
        fleet.down(name)


def test_mirror_is_the_machines_own(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text(
        "# deb http://commented.example/debian bookworm main\n"
        "deb http://security.example/debian-security bookworm-security main\n"
        "deb [arch=amd64] http://mirror.example/debian/ bookworm main\n"
    )
    assert base.mirror(tmp_path) == "http://mirror.example/debian"


def test_mirror_in_the_newer_format(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d/debian.sources").write_text("Types: deb\nURIs: https://new.example/debian\n")
    assert base.mirror(tmp_path) == "https://new.example/debian"


def test_mirror_of_a_machine_that_is_no_debian(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text("deb http://archive.example/ubuntu noble main\n")
    assert base.mirror(tmp_path) == base.FALLBACK_MIRROR


def test_a_process_is_not_a_later_one_with_its_id() -> None:
    me = Process.of(os.getpid())
    assert me.alive()
    assert not Process(me.pid, me.started - 1).alive()


@hosts
@needs_hosts
@pytest.mark.timeout(300)
def test_hosts_see_each_other_by_name_and_nothing_else(run: Run) -> None:
    assert ssh.command(run, "one", "getent hosts two").split() == [run.address("two"), "two"]
    assert ssh.command(run, "one", "ssh-keyscan -t ed25519 two 2>/dev/null").startswith("two ssh-ed25519")
    assert ssh.command(run, "one", "ip route show default") == ""


@hosts
@needs_hosts
@pytest.mark.timeout(300)
def test_services_of_one_host_are_not_touched_by_another(run: Run) -> None:
    for host in run.hosts:
        ssh.command(run, host, "sudo systemd-run --unit=probe sleep infinity")
    ssh.command(run, "one", "sudo systemctl stop probe")
    assert ssh.command(run, "one", "systemctl is-active probe") == "inactive"
    assert ssh.command(run, "two", "systemctl is-active probe") == "active"


@hosts
@needs_hosts
@pytest.mark.timeout(300)
def test_a_host_keeps_files_and_address_over_a_reboot(run: Run) -> None:
    first = ssh.command(run, "one", "sudo touch /etc/mark /run/mark; cat /run/mark; echo done")
    assert first == "done"
    ssh.command(run, "one", "sudo systemctl reboot")
    deadline = time.monotonic() + 60
    while ssh.command(run, "one", "test ! -e /run/mark && echo fresh") != "fresh":
        assert time.monotonic() < deadline, "the host did not come back"
        time.sleep(0.1)
    ssh.wait(run)
    assert ssh.command(run, "one", "ls /etc/mark") == "/etc/mark"


@hosts
@needs_hosts
@pytest.mark.timeout(300)
def test_what_a_killed_run_left_behind_is_cleared(run: Run) -> None:
    for process in run.supervisors.values():
        os.kill(process.pid, signal.SIGKILL)
        os.waitpid(process.pid, 0)
    again = fleet.up(run.name, run.hosts)
    assert ssh.command(again, "one", "hostname") == "one"
    bridges = subprocess.run(["ip", "-br", "link"], capture_output=True, text=True, check=True).stdout
    assert bridges.count(again.bridge + " ") == 1


@hosts
@needs_hosts
@pytest.mark.timeout(300)
def test_a_run_that_lost_a_host_is_made_anew(run: Run) -> None:
    os.kill(run.supervisors["two"].pid, signal.SIGKILL)
    os.waitpid(run.supervisors["two"].pid, 0)
    again = fleet.up(run.name, run.hosts)
    assert again.supervisors["one"] != run.supervisors["one"]
    assert ssh.command(again, "two", "hostname") == "two"


@hosts
@needs_hosts
@pytest.mark.timeout(300)
def test_a_run_ends_with_its_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    owner = subprocess.Popen(["sleep", "infinity"])
    monkeypatch.setenv("OPENKES_HOSTS_OWNER", str(owner.pid))
    name = f"orphan-{os.getpid()}"
    try:
        orphan = fleet.up(name, ["one"])
        owner.kill()
        owner.wait()
        monkeypatch.delenv("OPENKES_HOSTS_OWNER")
        assert orphan.stale()
        other = fleet.up(f"{name}-next", ["one"])
        assert registry.find(name) is None
        assert not orphan.supervisors["one"].alive()
        assert other.supervisors["one"].alive()
    finally:
        owner.kill()
        fleet.down(name)
        fleet.down(f"{name}-next")


@hosts
@needs_hosts
@pytest.mark.timeout(300)
def test_down_leaves_nothing(run: Run) -> None:
    fleet.down(run.name)
    assert registry.find(run.name) is None
    assert not run.folder.exists()
    assert not any(process.alive() for process in run.supervisors.values())
    links = subprocess.run(["ip", "-br", "link"], capture_output=True, text=True, check=True).stdout
    assert run.bridge not in links.split()
    fleet.down(run.name)


@hosts
@needs_hosts
def test_hosts_need_different_names() -> None:
    with pytest.raises(HostsError, match="different names"):
        fleet.up("never", ["one", "one"])
