"""Secrets of settings: where they may stand, and what is said when they cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from openkes.config import secret
from openkes.config.node import ConfigError, read
from openkes.config.secret import Secret
from openkes.errors import OperatorError


def of(folder: Path, text: str) -> Secret:
    (folder / "config.yml").write_text(f"token: {text}\n")
    return secret.settings(read(folder / "config.yml").section()["token"])


def test_the_text_itself_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "s.secret")
    found = of(tmp_path, "${TOKEN}")
    assert found.read() == "s.secret"
    assert "s.secret" not in repr(found)


def test_a_file_is_read_when_it_is_used(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.touch(mode=0o600)
    found = of(tmp_path, f"{{file: {file}}}")
    file.write_text("one\n")
    assert found.read() == "one"
    file.write_text("two\n")
    assert found.read() == "two"


def test_a_file_that_everybody_may_read(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("one\n")
    file.chmod(0o644)
    with pytest.raises(OperatorError, match=r"token\.file\) is open to every user") as error:
        of(tmp_path, f"{{file: {file}}}").read()
    assert "one" not in str(error.value)


def test_a_systemd_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "vault").write_text("secret\n")
    assert of(tmp_path, "{credential: vault}").read() == "secret"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("''", "'token' is empty"),
        ("{}", "names 0 sources"),
        ("{file: a, credential: b}", "names 2 sources"),
        ("{credential: a/b}", "is a path"),
        ("{fil: a}", "unknown key 'token.fil'"),
    ],
)
def test_what_may_not_stand_there(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        of(tmp_path, text)
