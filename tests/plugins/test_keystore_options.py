"""The options of every key store: role kes_server offers those that the server reads, neither more nor less."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from openkes.config import keystores
from openkes.config.node import Node, read
from tests.plugins import conftest

SPECS = yaml.safe_load((conftest.ROOT / "roles/kes_server/meta/argument_specs.yml").read_text())
OPTIONS: dict[str, Any] = SPECS["argument_specs"]["main"]["options"]["kes_server_keystore"]["options"]
#: Sections of which a store takes one and no other.
EITHER = (("approle", "kubernetes"), ("credentials", "managed_identity"), ("jwt", "file"))
#: Values that a setting insists on.
VALUES: dict[str, Any] = {
    "endpoint": "https://kms.example.com",
    "version": "v2",
    "ping": "10s",
    "retry": "2s",
    "prefix": "/x/",
    "seal": {"key": {"file": "/x"}},
}
HOSTS = {"endpoint": "db-1.example.com:5432"}  # of PostgreSQL, which speaks no HTTP


def sections(kind: str, options: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Documents that together have every option, each with no more than one of those that exclude each other."""
    values = {**VALUES, **HOSTS} if kind == "postgres" else VALUES
    for which in (0, 1):
        yield _section(options, which, values)


def _section(options: dict[str, Any], which: int, values: dict[str, Any]) -> dict[str, Any]:
    left_out = {pair[1 - which] for pair in EITHER if set(pair) <= set(options)}
    found: dict[str, Any] = {}
    for name, option in options.items():
        if name in left_out:
            continue
        value = values.get(name, "x")
        if "options" in option:
            value = _section(option["options"], which, values)
        found[name] = [value] if option["type"] == "list" else value
    return found


def offered(options: dict[str, Any], path: str) -> dict[str, set[str]]:
    """By path, the names that the role offers."""
    found = {path: set(options)}
    for name, option in options.items():
        if "options" in option:
            found |= offered(option["options"], f"{path}.{name}")
    return found


@pytest.mark.parametrize("kind", sorted(set(keystores.KINDS) - {"memory"}))
def test_the_role_offers_what_the_server_reads(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _, second = kind.partition(".")
    options = OPTIONS[first]["options"]
    options = options[second]["options"] if second else options
    known: dict[str, set[str]] = {}
    original = Node.known

    def noting(node: Node, *names: str) -> dict[str, Node]:
        known.setdefault(node.path, set()).update(names)
        return original(node, *names)

    monkeypatch.setattr(Node, "known", noting)
    for document in sections(kind, options):
        file = tmp_path / "config.yml"
        file.write_text(yaml.safe_dump({"keystore": {first: {second: document} if second else document}}))
        keystores.settings(read(file).section()["keystore"])
    wanted = offered(options, f"keystore.{kind}")
    assert {path: known.get(path) for path in wanted} == wanted


def test_the_role_knows_every_kind() -> None:
    assert set(OPTIONS) == {kind.partition(".")[0] for kind in keystores.KINDS}
