"""Fixtures for tests that need a PostgreSQL server: one for a whole run of pytest, empty for each test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from postgres_server import PostgresServer


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A server for all tests of this run; one that is to be killed needs a server of its own."""
    from postgres_server import PostgresServer  # most tests need no driver

    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_database(postgres_server: PostgresServer) -> str:
    return postgres_server.make_database()


@pytest.fixture
def postgres_url(postgres_server: PostgresServer, postgres_database: str) -> Iterator[str]:
    """An empty database."""
    yield postgres_database
    postgres_server.empty(postgres_database)
