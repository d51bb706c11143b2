"""A server whose login is refused: started by systemd, it is not back in two seconds to have the login locked."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

from tests.keystore.bao import Bao
from tests.keystore.vault.site import site
from tests.servers import KES, clean_environment, make_identity

WITHIN = 60.0  # seconds


def start(folder: Path, bao: Bao, **environment: str) -> subprocess.Popen[str]:
    kv = site(bao)
    tls = make_identity(folder, "server")
    vault = {
        "endpoint": bao.url,
        "engine": kv.layout.engine,
        "version": f"v{kv.layout.version}",
        "approle": {"id": kv.role.role_id, "secret": "00000000-0000-0000-0000-000000000000"},
        "tls": {"ca": str(bao.ca)},
    }
    file = folder / "config.yml"
    file.write_text(
        json.dumps(
            {
                "version": "v1",
                "address": "127.0.0.1:0",
                "tls": {"key": str(tls.key), "cert": str(tls.cert)},
                "keystore": {"vault": vault},
            }
        )
    )
    return subprocess.Popen(
        [*KES, "server", "--config", str(file)],
        env={**{k: v for k, v in clean_environment().items() if k != "INVOCATION_ID"}, **environment},
        stderr=subprocess.PIPE,
        text=True,
    )


def test_started_by_systemd_it_says_why_and_waits(tmp_path: Path, bao: Bao) -> None:
    with start(tmp_path, bao, INVOCATION_ID="0") as process:
        assert process.stderr is not None
        said = ""
        while "waits 300 s" not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
        assert process.poll() is None
        assert "kes: error:" in said
        assert "is refused" in said
        process.send_signal(signal.SIGTERM)
        assert process.wait(WITHIN) == 1


def test_started_by_hand_it_ends_at_once(tmp_path: Path, bao: Bao) -> None:
    with start(tmp_path, bao) as process:
        _, said = process.communicate(timeout=WITHIN)
    assert process.returncode == 1
    assert "is refused" in said
