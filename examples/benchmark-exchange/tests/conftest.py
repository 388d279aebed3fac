"""What the tests of the exchange share: the real table, and a service over its own database."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text

from benchmark_exchange import Resources, Settings, open_resources
from infra_db import connect
from infra_errors import SecretUrl

OwnDatabase = Callable[..., AbstractAsyncContextManager[SecretUrl]]
TABLE = Path(__file__).parents[1] / "data" / "alpaca_eval_2" / "leaderboard.csv"


@pytest.fixture(scope="session")
def table() -> Path:
    """The real AlpacaEval 2 table."""
    return TABLE


@pytest.fixture(scope="session")
def server_url(request: pytest.FixtureRequest) -> str | None:
    """The server that EXCHANGE_TEST_SERVER asks for: postgres or mysql; None for SQLite."""
    kind = os.environ.get("EXCHANGE_TEST_SERVER")
    return request.getfixturevalue(f"{kind}_url") if kind else None


@asynccontextmanager
async def _own_database(server_url: str, template: str = "") -> AsyncIterator[SecretUrl]:
    """Make a database of a server, as a copy where a template is named, and drop it."""
    name, head = f"exchange_{uuid4().hex[:12]}", server_url.rpartition("/")[0]
    copied = f" TEMPLATE {template}" if template else ""
    async with connect(server_url, min_connections=1) as db, db.acquire(db.autocommit) as server:
        await server.execute(text(f"CREATE DATABASE {name}{copied}"))
        yield SecretUrl(f"{head}/{name}")
        force = " WITH (FORCE)" if db.engine.dialect.name == "postgresql" else ""
        await server.execute(text(f"DROP DATABASE {name}{force}"))


@pytest.fixture(scope="session")
def own_database() -> OwnDatabase:
    """A function that makes a database of a server and drops it: `async with` it."""
    return _own_database


@pytest.fixture
async def settings(
    tmp_path: Path, server_url: str | None, own_database: OwnDatabase
) -> AsyncIterator[Settings]:
    """Settings whose data stays in the test's folder, or in a database of its own."""
    if server_url is None:
        yield Settings(data=tmp_path / "data")
        return
    async with own_database(server_url) as url:
        yield Settings(data=tmp_path / "data", database_url=url)


@pytest.fixture
async def resources(settings: Settings) -> AsyncIterator[Resources]:
    """The services over a fresh database."""
    async with open_resources(settings) as opened:
        yield opened
