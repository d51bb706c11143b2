"""The pages of the clouds' key stores: their configurations start a server, and keys move in and out byte for byte."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.keystore import aws_server, moving
from tests.keystore.fakes.azure import SECRET as AZURE_SECRET
from tests.keystore.fakes.azure import Login, Tokens, Vault
from tests.keystore.fakes.cloud import up
from tests.keystore.fakes.gcp import GCP, KEY_ID, new_key, pem
from tests.keystore.pages import configuration
from tests.servers import make_identity
from tests.servers import running as server_running

Names = Callable[[], list[str]]
NARROW = {"Effect": "Allow", "Action": ["secretsmanager:Get*", "secretsmanager:List*"], "Resource": "*"}


class Corner:
    """Of a cloud: the page's section `keystore` with this test's files in it. `held`: the names of all secrets there.
    `names`: such as it can hold. `narrow`: take away the permission to create; what it is called."""

    def __init__(
        self, folder: Path, page: str, held: Names, names: tuple[str, ...] = ("a", "my-master-key", "z_9")
    ) -> None:
        self._folder = folder
        self.keystore: dict[str, Any] = configuration(page)["keystore"]
        self.section: dict[str, Any] = next(iter(self.keystore[page].values()))
        self.environment: dict[str, str] = {}
        self.held = held
        self.names = names
        self.narrow: Callable[[], str]

    def secret(self, setting: str, text: str) -> None:
        """In a file of this test, as the page has it in one."""
        assert list(self.section["credentials"][setting]) == ["file"]
        file = self._folder / setting
        file.touch(mode=0o600)
        file.write_text(text)
        self.section["credentials"][setting] = {"file": str(file)}


@contextmanager
def aws(folder: Path) -> Iterator[Corner]:
    with aws_server.serving() as server:
        corner = Corner(folder, "aws", lambda: sorted(server.backend.secrets))
        corner.section["endpoint"] = server.url

        def narrow() -> str:
            server.policy = json.dumps({"Version": "2012-10-17", "Statement": [NARROW]})
            return "secretsmanager:CreateSecret"

        corner.narrow = narrow
        corner.secret("accesskey", aws_server.ACCESS + "\n")
        corner.secret("secretkey", aws_server.SECRET + "\n")
        yield corner


@contextmanager
def gcp(folder: Path) -> Iterator[Corner]:
    service = GCP()
    service.keys[KEY_ID] = new_key()
    with up(folder, service) as cloud:
        corner = Corner(folder, "gcp", lambda: sorted(service.secrets))
        corner.environment = cloud.environment
        corner.secret("private_key", pem(service.keys[KEY_ID]))

        def narrow() -> str:
            service.permissions -= {"secretmanager.secrets.create"}
            return "secretmanager.secrets.create"

        corner.narrow = narrow
        yield corner


@contextmanager
def azure(folder: Path) -> Iterator[Corner]:
    tokens = Tokens()
    vault = Vault(tokens)
    with up(folder, vault, Login(tokens)) as cloud:
        corner = Corner(folder, "azure", lambda: sorted(vault.secrets), ("a", "my-master-key", "z-9"))
        corner.environment = cloud.environment
        corner.secret("client_secret", AZURE_SECRET + "\n")

        def narrow() -> str:
            vault.actions -= {"setSecret/action"}
            return "Microsoft.KeyVault/vaults/secrets/setSecret/action"

        corner.narrow = narrow
        yield corner


@pytest.fixture(params=[aws, gcp, azure], ids=lambda made: made.__name__)
def corner(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Corner]:
    made: Callable[[Path], AbstractContextManager[Corner]] = request.param
    with made(tmp_path) as corner:
        yield corner


def test_a_server_starts_with_the_configuration_of_the_page(tmp_path: Path, corner: Corner) -> None:
    config = {"keystore": corner.keystore}
    with server_running(tmp_path, config, environment=corner.environment) as server, server.client() as client:
        client.create_key("my-key")
        assert client.describe_key("my-key")["name"] == "my-key"
        checked = moving.kes("server", "check", str(tmp_path / "config.yml"), environment=corner.environment)
        assert "create, read, list and delete work" in checked.stdout + checked.stderr
    assert corner.held() == ["my-key"]


def test_a_check_names_the_permission_that_is_missing(tmp_path: Path, corner: Corner) -> None:
    make_identity(tmp_path, "server")
    config = {
        "version": "v1",
        "admin": {"identity": "disabled"},
        "tls": {"key": str(tmp_path / "server.key"), "cert": str(tmp_path / "server.cert")},
        "keystore": corner.keystore,
    }
    (tmp_path / "config.yml").write_text(json.dumps(config))
    wanted = f"cannot create entries: .*permission refused.*{corner.narrow()}"
    with pytest.raises(AssertionError, match=wanted):
        moving.kes("server", "check", str(tmp_path / "config.yml"), environment=corner.environment)
    assert corner.held() == []


def test_keys_move_in_and_out_byte_for_byte(tmp_path: Path, corner: Corner) -> None:
    moving.there_and_back(tmp_path, corner.keystore, corner.environment, corner.names)
    assert corner.held() == list(corner.names)
