"""The real client SDK against a server that cannot write its audit log, and must: nothing counts as success."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sdk import programs
from tests.sdk.conftest import ENGINES, need
from tests.servers import running

pytestmark = pytest.mark.sdk


@pytest.mark.parametrize("engine", ENGINES)
def test_the_sdk_takes_no_refusal_for_success(tmp_path: Path, built: Path, engine: str) -> None:
    need(engine)
    config = {"audit": {"file": "/dev/full", "mode": "required"}, "keys": [{"name": "my-key"}]}
    with running(tmp_path, config, environment={"OPENKES_ENGINE": engine}) as server:
        flags = ["-endpoint", server.url, "-ca", str(server.tls.cert)]
        pair = ["-cert", str(server.admin.cert), "-key", str(server.admin.key)]
        report = programs.run(built / "unrecorded", *flags, *pair, environment={})
    assert report.failures == []
    assert report.checks == 11
