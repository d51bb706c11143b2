"""Every transcript in `transcripts/`, played with the real command against a real server."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from openkes.identity import identity_of_api_key
from tests.cli import transcript
from tests.cli.identities import make_bad_identities
from tests.servers import KES, KeyServer, clean_environment, free_port, make_identity, running, running_2021

API_KEY = "kes:v1:AAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
PASSWORD = "correct horse"
FILES = sorted((Path(__file__).parent / "transcripts").glob("*.txt"))


@contextmanager
def configured(folder: Path) -> Iterator[KeyServer]:
    """With a policy `reader`, of a pair of files and an API key, and one of a private key under a password."""
    reader = make_identity(folder, "reader")
    rules = {"allow": ["/v1/key/list/*", "/v1/key/describe/*"], "deny": ["/v1/key/list/secret*"]}
    policies = {
        "reader": {**rules, "identities": [reader.identity, identity_of_api_key(API_KEY)]},
        "locked": {"allow": ["/v1/key/list/*"], "identities": [_made_by_kes(folder, "locked")]},
    }
    with running(folder, {"policy": policies}) as server:
        yield server


def _made_by_kes(folder: Path, name: str) -> str:
    command = [*KES, "identity", "new", "--encrypt", "--key", f"{name}.key", "--cert", f"{name}.cert", name]
    environment = {**clean_environment(), "KES_CLIENT_KEY_PASSWORD": PASSWORD}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


SERVERS: dict[str, Any] = {"none": lambda _: nullcontext(), "config": configured, "2021": running_2021}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_transcript(file: Path, tmp_path: Path) -> None:
    script = transcript.parse(file.read_text())
    environment = {
        "PATH": transcript.path_with_kes(Path(sys.executable).parent),
        "HOME": str(tmp_path),
        "LC_ALL": "C.UTF-8",
        "COLUMNS": "120",
        "FREE_PORT": str(free_port()),
    }
    environment |= {k: v for k, v in clean_environment().items() if k in ("SSL_CERT_FILE", "OPENKES_ENGINE")}
    make_bad_identities(tmp_path)
    with SERVERS[script.server](tmp_path) as server:
        if server is not None:
            make_identity(tmp_path, "stranger")
            environment |= {"KES_SERVER": f"127.0.0.1:{server.port}"}
            if script.server == "config":
                environment |= {"KES_CLIENT_KEY": "root.key", "KES_CLIENT_CERT": "root.cert"}
                environment |= {"KES_CA_PATH": "server.cert"}
        transcript.play(script, tmp_path, environment)


def test_there_are_transcripts() -> None:
    assert len(FILES) > 5
