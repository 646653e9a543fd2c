"""A PostgreSQL of the storms' own."""

from collections.abc import Iterator

import pytest

from tests.servers.postgres import PostgresServer


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    """It runs for as long as the storms do; each of them has a database of its own."""
    with PostgresServer() as running:
        yield running
