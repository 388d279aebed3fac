"""The contract of versioned repositories on every database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from infra_db import VersionedRepository, connect
from infra_db.testing import Article, VersionedRepositoryContract

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from infra_db import Database


class _Versioned(VersionedRepositoryContract):
    db: Database

    @pytest.fixture(autouse=True)
    async def _database(self, url: str) -> AsyncIterator[None]:
        async with connect(url, min_connections=1) as self.db:
            await self.db.create_all(Article.metadata)
            yield

    async def make_repository(self, **options: Any) -> VersionedRepository[Article, UUID]:
        kind: type[VersionedRepository[Article, UUID]] = type(
            "Articles", (VersionedRepository,), options
        )
        return kind(self.db, Article)


class TestVersionedOnFile(_Versioned):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path / 'contract.db'}"


class TestVersionedInMemory(_Versioned):
    @pytest.fixture
    def url(self) -> str:
        return "memory://"


class TestVersionedOnServers(_Versioned):
    @pytest.fixture
    def url(self, server_url: str) -> str:
        return server_url
