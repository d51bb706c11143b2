"""Go programs and running key servers, each once a session."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from openkes import front
from openkes.identity import generate_api_key, identity_of_api_key
from tests.sdk import programs
from tests.servers import KeyServer, running

ENGINES = ("engine", "python")


@dataclass(frozen=True, slots=True)
class Target:
    """A running server, with API keys of two identities: `full` may do everything, `limited` uses `allowed*`."""

    server: KeyServer
    engine: str
    full: str
    limited: str

    @property
    def flags(self) -> list[str]:
        """Where it is and who signed it."""
        return ["-endpoint", self.server.url, "-ca", str(self.server.tls.cert)]

    @property
    def admin(self) -> list[str]:
        """`flags`, as the admin with a pair of files."""
        return [*self.flags, "-cert", str(self.server.admin.cert), "-key", str(self.server.admin.key)]


@pytest.fixture(scope="session")
def go() -> str:
    """Path of go; skips when there is none."""
    try:
        return programs.go_command()
    except programs.NoGo as none:
        pytest.skip(str(none))


@pytest.fixture(scope="session")
def built(go: str) -> Path:
    """The folder of the built programs."""
    return programs.build(go)


def need(engine: str) -> None:
    """Skip when this engine is not installed."""
    if engine == "engine" and not front.have_engine():
        pytest.skip("the compiled engine is not installed: make engine")


def available() -> str:
    """The engine for tests that are not about engines."""
    return "engine" if front.have_engine() else "python"


@contextmanager
def serving(engine: str, folder: Path) -> Iterator[Target]:
    """A server with this engine on `folder`; afterwards its log must hold no traceback."""
    full, limited = generate_api_key(), generate_api_key()
    policies = {
        "full": {"allow": ["/v1/*"], "identities": [identity_of_api_key(full)]},
        "limited": {
            "allow": [
                *(f"/v1/key/{call}/allowed*" for call in ("generate", "decrypt", "describe")),
                "/v1/key/list/*",
            ],
            "identities": [identity_of_api_key(limited)],
        },
    }
    with running(folder, {"policy": policies}, environment={"OPENKES_ENGINE": engine}) as server:
        yield Target(server, engine, full, limited)
    assert "Traceback" not in server.stderr, server.stderr


@pytest.fixture(scope="session")
def targets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Target]]:
    """A function from an engine to its running server, started when first asked for."""
    started: dict[str, Target] = {}
    with ExitStack() as stack:

        def target(engine: str) -> Target:
            need(engine)
            if engine not in started:
                started[engine] = stack.enter_context(serving(engine, tmp_path_factory.mktemp(engine)))
            return started[engine]

        yield target
