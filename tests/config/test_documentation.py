"""The documented example is what the documentation says: every setting, and it starts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from openkes.config import seal
from openkes.config.load import load
from openkes.identity import new_identity
from tests.contract.certificates import ca_pair
from tests.servers import running

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "configuration.md"


def example() -> dict[str, Any]:
    text = re.search(r"```yaml\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert text is not None
    document: dict[str, Any] = yaml.load(text[1], yaml.BaseLoader)
    return document


def known_keys() -> set[str]:
    """The keys that the reader knows at the top, from its own error."""
    source = (Path(load.__code__.co_filename)).read_text()
    found = re.search(r"root\.known\(([^)]*)\)", source)
    assert found is not None
    return set(re.findall(r'"(\w+)"', found[1]))


def test_every_section_is_shown() -> None:
    assert set(example()) == known_keys()


def documented() -> set[str]:
    """Names in the example's lines, those behind a # too."""
    text = DOCUMENT.read_text().split("```yaml\n")[1].split("```")[0]
    return set(re.findall(r"^[ #]*(?:- )?([a-z_]+):", text, re.MULTILINE)) | set(re.findall(r"\{([a-z_]+):", text))


def test_every_setting_is_shown() -> None:
    known: set[str] = set()
    for file in (Path(load.__code__.co_filename), Path(seal.__file__)):
        for call in re.findall(r"\.known\(([^)]*)\)", file.read_text()):
            known |= set(re.findall(r'"(\w+)"', call))
    assert len(known) > 30
    assert known - documented() == set()


def test_a_server_starts_with_the_example(tmp_path: Path) -> None:
    config = example()
    pair = new_identity("localhost", ips=["127.0.0.1"], password=b"secret")
    (tmp_path / "server.key").write_bytes(pair.key)
    (tmp_path / "server.cert").write_bytes(pair.certificate)
    (tmp_path / "clients.crt").write_bytes(ca_pair()[1])
    config["tls"] |= {
        "key": str(tmp_path / "server.key"),
        "cert": str(tmp_path / "server.cert"),
        "ca": str(tmp_path / "clients.crt"),
    }
    config["audit"]["file"] = str(tmp_path / "audit.jsonl")
    config["keystore"]["fs"]["path"] = str(tmp_path / "keys")
    del config["address"], config["admin"]
    environment = {"KES_TLS_PASSWORD": "secret", "MINIO_IDENTITY": "b" * 64}
    with running(tmp_path, config, environment=environment) as server, server.client() as client:
        assert client.describe_key("my-master-key")["algorithm"] == "AES256"
    assert (tmp_path / "audit.jsonl").read_text().count("\n") >= 1
