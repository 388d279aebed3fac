"""The public contracts on a SQLite file."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

from infra_cache import Rate, RateLimiter, connect
from infra_cache.testing import CacheContract, LimiterContract

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from infra_cache.cache import StoreCache

pytestmark = pytest.mark.threads


class TestSqlite(CacheContract):
    @pytest.fixture(autouse=True)
    def _resources(self, tmp_path: Path) -> None:
        self.url = f"sqlite:///{tmp_path / 'cache.db'}"

    async def make_cache(self, **options: Any) -> StoreCache:
        return connect(self.url, namespace="test", **options)


class TestSqliteLimiter(LimiterContract):
    @pytest.fixture(autouse=True)
    async def _resources(self, tmp_path: Path) -> AsyncIterator[None]:
        self.url = f"sqlite:///{tmp_path / 'cache.db'}"
        async with AsyncExitStack() as self.stack:
            yield

    async def make_limiter(self, *rates: Rate, **options: Any) -> RateLimiter:
        cache = await self.stack.enter_async_context(connect(self.url))
        return RateLimiter(cache, *rates, name="test", **options)
