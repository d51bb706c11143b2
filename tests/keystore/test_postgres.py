"""The PostgreSQL store keeps the interface, on a real server."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from openkes.keystore.postgres.store import PostgresStore
from openkes.keystore.postgres.target import Table
from tests.keystore.conformance import Conformance
from tests.keystore.postgres_server import Server, needs_postgres, running

pytestmark = needs_postgres


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running() as server:
        yield server


@pytest.fixture
def table() -> Table:
    """A fresh one."""
    return Table("openkes", f"keys_{uuid.uuid4().hex[:16]}")


@pytest.fixture
def store(server: Server, table: Table) -> Iterator[PostgresStore]:
    store = PostgresStore(server.target("secret"), table)
    yield store
    store.close()


class TestPostgresStore(Conformance):
    """With the fixture `store` of this module."""
