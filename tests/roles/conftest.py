"""The built collection, and the scenarios that run ahead of their tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hosts.support import why_not
from tests.roles import collection
from tests.roles.ahead import Ahead

_AHEAD = pytest.StashKey[Ahead]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Begin with the scenarios that this run is about."""
    ahead = session.config.stash[_AHEAD] = Ahead()
    if why_not() is None and not session.config.option.collectonly:
        marks = [item.get_closest_marker("scenario") for item in session.items]
        ahead.start([mark.args[0] for mark in marks if mark is not None])


def pytest_sessionfinish(session: pytest.Session) -> None:
    if _AHEAD in session.config.stash:
        session.config.stash[_AHEAD].stop()


@pytest.fixture(scope="session")
def ahead(pytestconfig: pytest.Config) -> Ahead:
    return pytestconfig.stash[_AHEAD]


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built collection."""
    return collection.build(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="session")
def installed_collection(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collections path that holds the built collection and nothing else."""
    path = tmp_path_factory.mktemp("collections")
    collection.install(archive, path)
    return path
