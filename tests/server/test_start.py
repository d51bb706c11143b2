"""A server that starts while its key store is away ends with a reason; what starts it tries again."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pytest

from openkes.cli import serve
from openkes.config.schema import KeyStoreSettings
from openkes.errors import OperatorError
from openkes.keystore import KeyStore
from tests.keystore.faulty import AWAY, FaultyStore
from tests.servers import KES, clean_environment, free_port, make_identity


def test_it_names_the_store_and_what_to_look_at(tmp_path: Path) -> None:
    pair = make_identity(tmp_path, "server")
    endpoint = f"http://127.0.0.1:{free_port()}"
    file = tmp_path / "config.yml"
    document = {
        "version": "v1",
        "address": f"127.0.0.1:{free_port()}",
        "tls": {"key": str(pair.key), "cert": str(pair.cert)},
        "keystore": {"etcd": {"endpoint": endpoint}},
    }
    file.write_text(json.dumps(document))
    done = subprocess.run(
        [*KES, "server", "--config", str(file)],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert f"etcd: {endpoint}: Connection refused" in done.stderr
    assert "hint: keystore.etcd.endpoint" in done.stderr
    assert "Traceback" not in done.stderr


@dataclass(frozen=True, slots=True)
class Settings(KeyStoreSettings):
    """Of a store that opens without asking anybody."""

    store: FaultyStore = field(default_factory=FaultyStore)
    hint: ClassVar[str] = "look at it"

    def open(self, initialise: bool = True) -> KeyStore:
        return self.store

    def describe(self) -> str:
        return "faulty"


def test_a_store_must_answer_whatever_its_opening_asks() -> None:
    settings = Settings()
    settings.store.away("status")
    with pytest.raises(OperatorError, match=AWAY) as error:
        serve.opened(settings)
    assert error.value.hint == "look at it"
    assert settings.store.closed
    settings.store.answer()
    assert serve.opened(settings) is settings.store
