"""The page of the Vault store: its policies are enough and none of their lines too much, its configuration starts a
server that was set up by its commands, keys move in and out."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from openkes.config.keystores.vault import VaultSettings
from openkes.config.load import load_keystore
from openkes.keystore import KeyExists, KeyNotFound, KeyStore, Unreachable
from openkes.keystore.probe import ProbeFailed, probe
from tests.keystore import moving
from tests.keystore.bao import Bao, command, running
from tests.keystore.pages import block, blocks, configuration
from tests.keystore.vault.site import Site, site
from tests.servers import running as server_running

BLOCKS = {1: "kv/kes/", 2: "kv/data/kes/"}
RULE = re.compile(r'path "([^"]+)" \{\s*capabilities = \[([^]]*)\]\s*\}')
Rules = dict[str, list[str]]


def page_rules(kv: Site) -> Rules:
    """The policy of the page for this site: paths to capabilities."""
    text = block("vault", "hcl", BLOCKS[kv.layout.version])
    if kv.layout.transit:
        text += block("vault", "hcl", "transit/")
    found = {path: re.findall(r"\w+", capabilities) for path, capabilities in RULE.findall(text)}
    engine, prefix = kv.layout.engine, kv.layout.prefix
    return {
        path.replace("kv/", f"{engine}/", 1).replace("kes/", f"{prefix}/"): capabilities
        for path, capabilities in found.items()
    }


def allow(kv: Site, rules: Rules) -> None:
    """The site's role may do this and no more."""
    hcl = [f'path "{path}" {{ capabilities = [{", ".join(map(repr, having))}] }}' for path, having in rules.items()]
    name = f"policy-{uuid.uuid4()}"
    kv.bao.policy(name, "\n".join(hcl).replace("'", '"'))
    kv.role = kv.bao.approle(name, [name])


def work(kv: Site) -> Iterator[Callable[[], object]]:
    """Every call of the interface, each on entries that are made past the store."""
    store = kv.open()
    yield lambda: store.create("made", b"entry")
    yield lambda: store.get("made")
    yield lambda: store.replace("made", b"entry", b"new")
    yield lambda: store.list("", 10)
    yield lambda: store.delete("made")
    yield store.status


@pytest.fixture(params=[(1, False), (2, False), (1, True), (2, True)], ids=["v1", "v2", "v1 wrapped", "v2 wrapped"])
def kv(bao: Bao, request: pytest.FixtureRequest) -> Iterator[Site]:
    version, wrapped = request.param
    made = site(bao, version, wrapped=wrapped)
    yield made
    made.close()


def test_the_policy_is_enough(kv: Site) -> None:
    allow(kv, page_rules(kv))
    for call in work(kv):
        call()
    store = kv.open()
    store.create("key", b"entry")
    with pytest.raises(KeyExists):
        store.create("key", b"other")
    with pytest.raises(KeyNotFound):
        store.get("absent")
    assert store.get("key") == b"entry"
    assert store.list("", 10).names == ["key"]


def test_each_capability_is_needed_and_named(kv: Site) -> None:
    rules = page_rules(kv)
    for path, capabilities in rules.items():
        for capability in capabilities:
            allow(kv, {**rules, path: [other for other in capabilities if other != capability]})
            said = failures(kv)
            wanted = rf"permission refused: the policy of this login needs [a-z ]*\b{capability}\b[a-z ]* on "
            assert re.search(wanted + re.escape(path.removesuffix("*")), said), (path, capability, said)


def failures(kv: Site) -> str:
    """What calls of a store say when they fail."""
    said = []
    try:
        for call in work(kv):
            try:
                with contextlib.suppress(KeyNotFound, KeyExists):
                    call()
            except Unreachable as error:
                said.append(str(error))
    except Unreachable as error:
        said.append(str(error))
    return "\n".join(said)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def page_bao(folder: Path, bao: Bao) -> Iterator[Bao]:
    """Set up by the page's commands; after `bao`, which skips where there is none."""
    with running(folder / "bao") as started:
        (folder / "kes.hcl").write_text(block("vault", "hcl", BLOCKS[2]))
        environment = {
            "PATH": f"{Path(command()).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder),
            "BAO_ADDR": started.url,
            "BAO_CACERT": str(started.ca),
            "BAO_TOKEN": started.root,
        }
        shell = ["sh", "-eu", "-c", block("vault", "sh", "bao policy write")]
        done = subprocess.run(shell, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        yield started


class TestConfiguration:
    """On a server that has seen nothing but the page's commands."""

    @pytest.fixture
    def keystore(self, folder: Path, page_bao: Bao) -> dict[str, Any]:
        """The page's section, with this test's server in it."""
        document: dict[str, Any] = configuration("vault")["keystore"]
        vault = document["vault"]
        vault["endpoint"] = [page_bao.url]
        vault["tls"]["ca"] = str(page_bao.ca)
        for setting in ("id", "secret"):
            vault["approle"][setting]["file"] = str(folder / Path(vault["approle"][setting]["file"]).name)
        return document

    def test_a_server_starts_and_its_check_finds_nothing_missing(
        self, tmp_path: Path, keystore: dict[str, Any], page_bao: Bao
    ) -> None:
        with server_running(tmp_path, {"keystore": keystore}) as server, server.client() as client:
            client.create_key("my-key")
            assert client.describe_key("my-key")["name"] == "my-key"
            checked = moving.kes("server", "check", str(tmp_path / "config.yml"))
            assert "create, read, list and delete work" in checked.stdout + checked.stderr
        assert page_bao.call("LIST", "kv/metadata/kes")["data"]["keys"] == ["my-key"]

    def test_keys_move_in_and_out_byte_for_byte(self, tmp_path: Path, keystore: dict[str, Any]) -> None:
        keystore["vault"]["prefix"] = "kes/moved"
        moving.there_and_back(tmp_path, keystore)


def test_every_other_setting_is_taken(tmp_path: Path) -> None:
    (tmp_path / "config.yml").write_text(blocks("vault", "yaml")[1])
    settings = load_keystore(tmp_path / "config.yml")
    assert isinstance(settings, VaultSettings)
    assert settings.transit == ("transit", "openkes")
    assert (settings.namespace, settings.login.namespace, settings.ping) == ("team/minio", "", 10.0)


def test_the_check_names_what_a_policy_of_upstream_lacks(bao: Bao) -> None:
    """Which has no `update`: keys could be made, and neither rotated nor deleted."""
    kv = site(bao, 2)
    rules = page_rules(kv)
    allow(kv, {path: [one for one in having if one != "update"] for path, having in rules.items()})
    store: KeyStore = kv.open()
    with pytest.raises(ProbeFailed, match=r"cannot change entries, .*needs update on kv2/data/"):
        probe(store)
    assert store.list("", 1).names == []
    kv.close()
