"""The public contracts on real servers: PostgreSQL, and MariaDB or MySQL."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from infra_db import Database, Repository, connect
from infra_db.testing import DatabaseContract, Note, RepositoryContract

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class _Fresh:
    """Each test has the server's database without the contract's table."""

    @pytest.fixture
    def server(self, request: pytest.FixtureRequest) -> str:
        found: str = request.getfixturevalue(self.fixture)
        return found

    @pytest.fixture(autouse=True)
    async def _resources(self, server: str) -> AsyncIterator[None]:
        self.url = server
        await self._forget()
        async with AsyncExitStack() as self.stack:
            yield
        await self._forget()

    fixture: str
    url: str
    stack: AsyncExitStack

    async def _forget(self) -> None:
        async with connect(self.url, min_connections=1) as db, db.engine.begin() as connection:
            await connection.run_sync(Note.metadata.drop_all)


class _Databases(_Fresh, DatabaseContract):
    async def make_database(self, **options: Any) -> Database:
        return connect(self.url, **{"min_connections": 1, **options})


class _Repositories(_Fresh, RepositoryContract):
    async def make_repository(self, **options: Any) -> Repository[Note, UUID]:
        db = await self.stack.enter_async_context(connect(self.url, min_connections=1))
        await db.create_all(Note.metadata)
        kind: type[Repository[Note, UUID]] = type("Notes", (Repository,), options)
        return kind(db, Note)


@pytest.mark.server("postgres")
class TestDatabaseOnPostgres(_Databases):
    fixture = "postgres_url"


@pytest.mark.server("postgres")
class TestRepositoryOnPostgres(_Repositories):
    fixture = "postgres_url"


@pytest.mark.server("mysql")
class TestDatabaseOnMysql(_Databases):
    fixture = "mysql_url"


@pytest.mark.server("mysql")
class TestRepositoryOnMysql(_Repositories):
    fixture = "mysql_url"
