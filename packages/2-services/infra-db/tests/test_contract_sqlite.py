"""The public contracts on a SQLite file and in memory."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from infra_db import Database, Repository, connect
from infra_db.testing import DatabaseContract, Note, RepositoryContract

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


class _OnFile:
    @pytest.fixture(autouse=True)
    async def _resources(self, tmp_path: Path) -> AsyncIterator[None]:
        self.url = f"sqlite:///{tmp_path / 'contract.db'}"
        async with AsyncExitStack() as self.stack:
            yield


class _InMemory:
    @pytest.fixture(autouse=True)
    async def _resources(self) -> AsyncIterator[None]:
        self.url = "memory://"
        async with AsyncExitStack() as self.stack:
            yield


class _Databases(DatabaseContract):
    url: str

    async def make_database(self, **options: Any) -> Database:
        return connect(self.url, **options)


class _Repositories(RepositoryContract):
    url: str
    stack: AsyncExitStack

    async def make_repository(self, **options: Any) -> Repository[Note, UUID]:
        db = await self.stack.enter_async_context(connect(self.url))
        await db.create_all(Note.metadata)
        kind: type[Repository[Note, UUID]] = type("Notes", (Repository,), options)
        return kind(db, Note)


class TestDatabaseOnFile(_OnFile, _Databases):
    pass


class TestDatabaseInMemory(_InMemory, _Databases):
    pass


class TestRepositoryOnFile(_OnFile, _Repositories):
    pass


class TestRepositoryInMemory(_InMemory, _Repositories):
    pass
