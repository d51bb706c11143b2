"""One OpenBao for all tests of this folder that do not stop or seal it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.keystore.bao import Bao, NoBao, running
from tests.keystore.vault.site import Site, prepare, site

MEMORY = Path("/dev/shm")


@pytest.fixture(scope="session")
def bao() -> Iterator[Bao]:
    # Nothing of it has to last, and it writes thousands of secrets, each of them synced.
    with tempfile.TemporaryDirectory(prefix="openkes-bao-", dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield from _started(Path(folder) / "one")


@pytest.fixture
def own_bao(tmp_path: Path) -> Iterator[Bao]:
    """For a test that stops, seals or overloads it."""
    yield from _started(tmp_path / "bao")


def _started(folder: Path) -> Iterator[Bao]:
    try:
        with running(folder) as started:
            prepare(started)
            yield started
    except NoBao as error:
        pytest.skip(str(error))


@pytest.fixture(params=[1, 2], ids=["v1", "v2"])
def version(request: pytest.FixtureRequest) -> int:
    """Of the KV engine."""
    number: int = request.param
    return number


@pytest.fixture
def kv(bao: Bao, version: int) -> Iterator[Site]:
    """A corner of a KV engine of each version."""
    made = site(bao, version)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Elections and restarts of several processes take their time on a loaded machine."""
    monkeypatch.setattr("tests.keystore.faulty.DEADLINE", 90.0)
