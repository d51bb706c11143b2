"""Modules for MinIO hosts, on files in a folder: state, environment, drop-in, the note of a due restart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.plugins.conftest import RunModule

from ansible_collections.openkes.kes.plugins.module_utils import marker, minio_host  # isort: skip

FOREIGN = "# MinIO\nMINIO_ROOT_PASSWORD='hunter2 secret'\nMINIO_OPTS=\"--console-address :9001\"\n"


@pytest.fixture
def arguments(tmp_path: Path) -> dict[str, Any]:
    return {
        "endpoints": ["https://kes-1:7373", "https://kes-2:7373"],
        "key_name": "my-master-key",
        "client_key": "/etc/openkes/client.key",
        "client_certificate": "/etc/openkes/client.crt",
        "trust": "/etc/openkes/ca.crt",
        "environment_file": str(tmp_path / "minio.env"),
        "service": "",
        "restart_marker": str(tmp_path / "restart-pending"),
    }


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "minio.env"
    path.write_text(FOREIGN)
    path.chmod(0o600)
    return path


def test_check_mode_says_so_and_writes_nothing(run_module: RunModule, arguments: dict[str, Any], file: Path) -> None:
    answer = run_module("minio_environment", check=True, **arguments)
    assert answer["changed"] is True
    assert file.read_text() == FOREIGN


def test_written_once_and_only_ours(run_module: RunModule, arguments: dict[str, Any], file: Path) -> None:
    assert run_module("minio_environment", **arguments)["changed"] is True
    after = file.read_text()
    assert after.startswith(FOREIGN)
    assert after.count("MINIO_KMS_KES_") == 5
    assert "MINIO_KMS_KES_ENDPOINT=https://kes-1:7373,https://kes-2:7373\n" in after
    assert file.stat().st_mode & 0o777 == 0o600
    assert run_module("minio_environment", **arguments)["changed"] is False


def test_a_diff_shows_no_foreign_line(run_module: RunModule, arguments: dict[str, Any], file: Path) -> None:
    assert file.exists()
    answer = run_module("minio_environment", check=True, **arguments)
    assert "MINIO_KMS_KES_KEY_NAME" in str(answer["diff"])
    assert "hunter2" not in str(answer)
    assert "console" not in str(answer)


def test_a_missing_file_is_made_closed(run_module: RunModule, arguments: dict[str, Any]) -> None:
    assert run_module("minio_environment", **arguments)["changed"] is True
    assert Path(arguments["environment_file"]).stat().st_mode & 0o777 == 0o640


def test_bytes_that_are_no_text_stay(run_module: RunModule, arguments: dict[str, Any], file: Path) -> None:
    file.write_bytes(b"A=\xff\xfe\r\n# caf\xe9\r\n")
    run_module("minio_environment", **arguments)
    assert file.read_bytes().startswith(b"A=\xff\xfe\r\n# caf\xe9\r\nMINIO_KMS_KES_ENDPOINT=")


def test_a_link_stays_a_link(run_module: RunModule, arguments: dict[str, Any], file: Path, tmp_path: Path) -> None:
    real = tmp_path / "real.env"
    file.rename(real)
    file.symlink_to(real)
    run_module("minio_environment", **arguments)
    assert file.is_symlink()
    assert "MINIO_KMS_KES_KEY_NAME" in real.read_text()


@pytest.mark.parametrize("module", ["minio_state", "minio_environment"])
def test_what_excludes_ours_is_refused(
    run_module: RunModule, arguments: dict[str, Any], file: Path, module: str
) -> None:
    text = FOREIGN + "MINIO_KMS_SECRET_KEY=old:c2VjcmV0\n"
    file.write_text(text)
    answer = run_module(module, **arguments)
    assert answer["failed"] is True
    assert "MINIO_KMS_SECRET_KEY" in answer["msg"]
    assert "Nothing was changed on any MinIO host" in answer["msg"]
    assert "c2VjcmV0" not in str(answer)
    assert file.read_text() == text


def test_an_open_quote_is_refused(run_module: RunModule, arguments: dict[str, Any], file: Path) -> None:
    file.write_text("A='open\n")
    answer = run_module("minio_state", **arguments)
    assert "line 1 opens a quote" in answer["msg"]


def test_the_misspelt_variable_gets_a_hint(run_module: RunModule, arguments: dict[str, Any], file: Path) -> None:
    file.write_text("MINIO_KMS_KES_CA_PATH=/x\n")
    answer = run_module("minio_state", **arguments)
    assert "MINIO_KMS_KES_CAPATH" in str(answer["warnings"])


def test_the_state_tells_what_is_missing(run_module: RunModule, arguments: dict[str, Any], file: Path) -> None:
    before = run_module("minio_state", **arguments)
    assert (before["environment_current"], before["restart_due"]) == (False, [])
    run_module("minio_environment", **arguments)
    assert run_module("minio_state", **arguments)["environment_current"] is True
    assert file.exists()


def test_the_state_names_the_key_that_is_in_use(run_module: RunModule, arguments: dict[str, Any], file: Path) -> None:
    assert run_module("minio_state", **arguments)["key_in_use"] == ""
    file.write_text(FOREIGN + "MINIO_KMS_KES_KEY_NAME=older-key\n")
    assert run_module("minio_state", **arguments)["key_in_use"] == "older-key"


def test_a_key_named_in_a_drop_in_is_in_use(
    arguments: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(minio_host, "DROPIN", str(tmp_path / "%s.conf"))
    params = {**arguments, "service": "minio"}
    assert minio_host.key_in_use(params) == ""
    (tmp_path / "minio.service.conf").write_text(minio_host.dropin_text(minio_host.wanted(params)))
    assert minio_host.key_in_use(params) == "my-master-key"


def test_the_note_outlives_and_is_cleared(tmp_path: Path) -> None:
    path = str(tmp_path / "restart-pending")
    assert marker.reasons(path) == []
    marker.add(path, "one")
    marker.add(path, "two")
    marker.add(path, "one")
    assert marker.reasons(path) == ["one", "two"]
    assert marker.clear(path) is True
    assert marker.clear(path) is False


def test_a_dropin_takes_our_lines_out_of_the_file(arguments: dict[str, Any], file: Path) -> None:
    file.write_text(FOREIGN + "MINIO_KMS_KES_KEY_NAME=old\n")
    changes = minio_host.plan({**arguments, "environment": "dropin", "service": "minio-openkes-test"})
    assert [change.path for change in changes] == [
        str(file),
        "/etc/systemd/system/minio-openkes-test.service.d/50-openkes-kms.conf",
    ]
    assert changes[0].text == FOREIGN
    assert 'Environment="MINIO_KMS_KES_KEY_NAME=my-master-key"' in str(changes[1].text)


@pytest.mark.parametrize(
    ("running", "unseen"),
    [
        (None, []),
        ({"PATH": "/bin"}, []),
        ({"MINIO_VOLUMES": "/srv", "A": "1"}, []),
        ({"MINIO_VOLUMES": "/srv", "A": "2"}, ["A"]),
        ({"MINIO_VOLUMES": "/srv"}, ["A"]),
    ],
    ids=["not running", "does not pass MINIO_* on", "the same", "another value", "missing"],
)
def test_what_the_running_minio_does_not_see(running: dict[str, str] | None, unseen: list[str]) -> None:
    assert minio_host.unseen({"A": "1"}, running) == unseen
