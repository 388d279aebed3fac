"""Databases for the tests: empty ones of each kind."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from sqlalchemy import text

from infra_db import connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SERVERS = [
    pytest.param("postgres", marks=pytest.mark.server("postgres")),
    pytest.param("mysql", marks=pytest.mark.server("mysql")),
]


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> str:
    """The URL of a real server."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
async def server_url(server: str) -> AsyncIterator[str]:
    """The URL of an empty database on a real server, which goes away after the test."""
    name = f"infra_db_{uuid4().hex[:12]}"
    head, _, _ = server.rpartition("/")
    async with connect(server, min_connections=1) as db, db.acquire(db.autocommit) as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
        yield f"{head}/{name}"
        force = " WITH (FORCE)" if db.engine.dialect.name == "postgresql" else ""
        await connection.execute(text(f"DROP DATABASE {name}{force}"))
