"""Which key stores there are: built in, from other distributions, and what is said when one cannot be had."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import tests.config.example.stores as example
from openkes.config import keystores
from openkes.config.keystores.extra import needs
from openkes.config.load import load_keystore
from openkes.config.node import ConfigError
from openkes.config.stores import open_store
from openkes.errors import OperatorError
from tests import servers

ROOT = Path(__file__).parents[2]


def read(folder: Path, text: str) -> object:
    (folder / "config.yml").write_text(text)
    return load_keystore(folder / "config.yml")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A distribution with an entry point, as pip leaves it."""
    metadata = tmp_path / "site" / "tape-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: tape\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[openkes.keystore]\ntape = tests.config.example.stores:settings\nbroken = tests.nowhere:settings\n"
        "fs = tests.config.example.stores:settings\n"
    )
    monkeypatch.setattr(sys, "path", [str(metadata.parent), *sys.path])
    return tmp_path


def test_a_key_store_of_another_distribution(installed: Path) -> None:
    settings = read(installed, f"keystore: {{tape: {{drive: {installed}/drive}}}}")
    assert settings == example.Tape(f"{installed}/drive")
    store = open_store(settings)
    store.create("key", b"entry")
    assert store.get("key") == b"entry"


def test_its_document_shows_the_same_lines() -> None:
    shown = (ROOT / "docs" / "stores" / "third-party.md").read_text()
    source = Path(example.__file__).read_text()
    assert source[source.index("from dataclasses") :] in shown


def test_a_built_in_key_store_is_not_replaced(installed: Path) -> None:
    assert not isinstance(read(installed, "keystore: {fs: {path: keys}}"), example.Tape)


def test_one_that_cannot_be_loaded(installed: Path) -> None:
    with pytest.raises(ConfigError, match=r"config.yml:1: the key store 'broken' \(tests.nowhere:settings\) cannot be"):
        read(installed, "keystore: {broken: {}}")


def test_an_unknown_one_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"unknown key 'keystore.memori'") as error:
        read(tmp_path, "keystore: {memori: {}}")
    assert error.value.hint == "did you mean 'memory'?"


@pytest.mark.parametrize("text", ["keystore: {}", "keystore: {memory: {}, fs: {path: keys}}"])
def test_not_exactly_one(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="stores") as error:
        read(tmp_path, text)
    assert "memory" in error.value.hint


def test_two_levels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(keystores.KINDS, "cloud.safe", "memory")
    assert read(tmp_path, "keystore: {cloud: {safe: {}}}") == read(tmp_path, "keystore: {memory: {}}")
    with pytest.raises(ConfigError, match=r"'keystore\.cloud' is empty"):
        read(tmp_path, "keystore:\n  cloud:\n")
    with pytest.raises(ConfigError, match=r"unknown key 'keystore\.cloud\.save'"):
        read(tmp_path, "keystore: {cloud: {save: {}}}")


def test_a_missing_package_names_its_extra() -> None:
    with pytest.raises(OperatorError, match="needs the Python package absent_sdk") as error, needs("absent"):
        import absent_sdk  # noqa: F401
    assert "openkes[absent]" in error.value.hint


@pytest.mark.parametrize("kind", sorted(keystores.KINDS))
def test_each_has_a_page(kind: str) -> None:
    assert (ROOT / "docs" / "stores" / f"{kind.partition('.')[0]}.md").is_file()


#: What only a kind that was chosen may load, and what it brings.
SDKS = ("boto3", "botocore", "google.auth", "azure.core", "azure.identity", "psycopg", "hvac", "requests")


def test_a_server_on_a_folder_loads_nothing_of_other_kinds(tmp_path: Path) -> None:
    """From its start to an answer with key matter, all its processes."""
    section = {"keystore": {"fs": {"path": str(tmp_path / "keys")}}}
    with servers.running(tmp_path, section, environment={"PYTHONPROFILEIMPORTTIME": "1"}) as server:
        done = subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "openkes.cli", "key", "create", "my-key"],
            env={**servers.clean_environment(), **server.environment()},
            capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        by_server, by_client = loaded(server.stderr), loaded(done.stderr)
    assert "openkes.keystore.fs" in by_server
    assert "openkes.client" in by_client
    others = {
        f"openkes.keystore.{kind.rpartition('.')[2]}" for kind in set(keystores.KINDS.values()) - {"fs", "memory"}
    }
    assert {*SDKS, *others} & (by_server | by_client) == set()


def loaded(text: str) -> set[str]:
    """Modules, from what Python's `importtime` writes."""
    return {line.rpartition("|")[2].strip() for line in text.splitlines() if line.startswith("import time:")}
