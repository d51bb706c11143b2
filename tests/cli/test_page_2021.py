"""The commands of MinIO's page of 2021, word for word, on the default port: in a network of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.transcript import path_with_kes
from tests.servers import clean_environment, make_identity

PAGE = """
set -e
kes tool identity new --key=root.key --cert=root.cert root
kes server --key=server.key --cert=server.cert --root=$(kes tool identity of root.cert) --auth=off &
server=$!
export KES_CLIENT_KEY=root.key KES_CLIENT_CERT=root.cert
until kes status -k --short 2> last-error; do kill -0 $server; done
kes key create -k my-master-key
kes key ls -k
kill $server
wait $server
echo "server ended with $?"
"""

NAMESPACE = ["unshare", "--user", "--map-root-user", "--net", "--pid", "--fork", "--kill-child"]


def have_namespaces() -> bool:
    return subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not have_namespaces(), reason="needs unprivileged user and network namespaces")
def test_the_page(tmp_path: Path) -> None:
    make_identity(tmp_path, "server")
    done = subprocess.run(
        [*NAMESPACE, "bash", "-c", f"ip link set lo up\n{PAGE}"],
        cwd=tmp_path,
        env={**clean_environment(), "PATH": path_with_kes(Path(sys.executable).parent)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    identity, status, *rest = [line for line in done.stdout.splitlines() if not line.startswith("{")]
    assert len(identity) == 64
    assert status.startswith("https://127.0.0.1:7373  up ")
    assert rest == ["my-master-key", "server ended with 0"]
    assert "created key my-master-key" in done.stderr
    assert "keys are gone when the server ends" in done.stderr
