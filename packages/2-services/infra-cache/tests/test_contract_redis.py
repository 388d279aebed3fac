"""The public contracts on a real Redis server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from infra_cache import LocalOptions, Rate, RateLimiter, connect
from infra_cache.testing import CacheContract, LimiterContract

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from infra_cache.cache import StoreCache


@pytest.mark.server("redis")
class TestRedis(CacheContract):
    @pytest.fixture(autouse=True)
    async def _resources(self, redis_url: str) -> AsyncIterator[None]:
        self.url, self.namespace = redis_url, f"test-{uuid4().hex}"
        yield
        async with connect(redis_url, namespace=self.namespace) as cache:
            await cache.clear()

    async def make_cache(self, **options: Any) -> StoreCache:
        return connect(self.url, namespace=self.namespace, **options)


@pytest.mark.server("redis")
class TestRedisLimiter(LimiterContract):
    @pytest.fixture(autouse=True)
    async def _resources(self, redis_url: str) -> AsyncIterator[None]:
        async with connect(redis_url, namespace=f"test-{uuid4().hex}") as self.cache:
            yield
            await self.cache.clear()

    async def make_limiter(self, *rates: Rate, **options: Any) -> RateLimiter:
        return RateLimiter(self.cache, *rates, name="test", **options)


@pytest.mark.server("redis")
class TestTiered(TestRedis):
    """The same with a memory tier in front."""

    async def make_cache(self, **options: Any) -> StoreCache:
        return connect(self.url, namespace=self.namespace, l1=LocalOptions(), **options)


@pytest.mark.server("redis")
class TestTieredByChannel(TestRedis):
    """The same with a memory tier that other tiers tell of changes."""

    async def make_cache(self, **options: Any) -> StoreCache:
        tier = LocalOptions(invalidation="pubsub")
        return connect(self.url, namespace=self.namespace, l1=tier, **options)
