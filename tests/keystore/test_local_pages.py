"""The pages of the stores of one server: their configurations start one; keys go into a sealed folder and out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from openkes.keystore.fs import FileStore
from tests.keystore import moving
from tests.keystore.pages import configuration
from tests.servers import running


@pytest.fixture
def credentials(tmp_path: Path) -> dict[str, str]:
    """As systemd hands them over."""
    folder = tmp_path / "credentials"
    folder.mkdir(mode=0o700)
    (folder / "kes-seal").touch(mode=0o400)
    (folder / "kes-seal").chmod(0o600)
    (folder / "kes-seal").write_text("5e" * 32)
    return {"CREDENTIALS_DIRECTORY": str(folder)}


@pytest.fixture
def folder(tmp_path: Path) -> dict[str, Any]:
    """The section of the page on `fs`, with a path of this test's."""
    document: dict[str, Any] = configuration("fs")["keystore"]
    document["fs"]["path"] = str(tmp_path / "keys")
    return document


def test_a_server_starts_on_the_folder_of_the_page(
    tmp_path: Path, folder: dict[str, Any], credentials: dict[str, str]
) -> None:
    with running(tmp_path, {"keystore": folder}, environment=credentials) as server, server.client() as client:
        client.create_key("my-key")
        assert client.describe_key("my-key")["name"] == "my-key"
    assert FileStore(tmp_path / "keys").list("", 10).names == ["my-key"]


def test_keys_move_into_a_sealed_folder_and_out_byte_for_byte(
    tmp_path: Path, folder: dict[str, Any], credentials: dict[str, str]
) -> None:
    moving.there_and_back(tmp_path, folder, credentials)


def test_a_server_starts_in_memory(tmp_path: Path) -> None:
    section = configuration("memory")["keystore"]
    with running(tmp_path, {"keystore": section}) as server, server.client() as client:
        client.create_key("my-key")
        assert client.describe_key("my-key")["name"] == "my-key"
