"""The public contracts on memory, encoded and with shared objects."""

from __future__ import annotations

from typing import Any

from infra_cache import Rate, RateLimiter, connect
from infra_cache.cache import StoreCache
from infra_cache.testing import CacheContract, LimiterContract


class TestMemory(CacheContract):
    async def make_cache(self, **options: Any) -> StoreCache:
        return connect("memory://", **options)


class TestSharedObjects(CacheContract):
    shares_objects = True

    async def make_cache(self, **options: Any) -> StoreCache:
        return connect("memory://", share_objects=True, **options)


class TestLimiter(LimiterContract):
    async def make_limiter(self, *rates: Rate, **options: Any) -> RateLimiter:
        return RateLimiter(connect("memory://"), *rates, name="test", **options)
