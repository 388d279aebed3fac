"""The memory store: its bounds, what is never evicted, and what a clock that goes back does."""

from __future__ import annotations

import pytest

from infra_cache import CacheFull, MemoryCache, WrongType, connect


async def test_the_least_recently_used_leaves_first() -> None:
    async with MemoryCache(max_items=1000, policy="lru") as cache:
        for n in range(1000):
            await cache.set(f"k{n}", n)
        assert await cache.get("k0") == 0
        await cache.set("k1000", 1000)
        assert await cache.get("k1") is None
        assert await cache.get("k0") == 0
        assert 1 == cache.stats.evictions


async def test_bytes_are_bounded_and_what_is_too_large_alone_is_rejected() -> None:
    async with MemoryCache(max_bytes=1000) as cache:
        for n in range(10):
            await cache.set(f"k{n}", "x" * 190)
        assert 1 <= len(cache._store._local) <= 5
        await cache.set("k9", "y" * 2000)
        assert 1 == cache.stats.rejected
        assert await cache.get("k9") is None  # nor the value from before


async def test_counters_codes_and_pinned_values_outlive_a_flood() -> None:
    async with MemoryCache(max_items=10) as cache:
        await cache.increment("n")
        await cache.set_nx("once", 1, ttl=60)
        await cache.guard_set("g", b"x" * 32, attempts=3, ttl=60)
        await cache.index_add("i", "m", ttl=60)
        await cache.set("session", 1, pin=True)
        await cache.set("v", 1)
        await cache.compare_and_set("v", 1, 2, ttl=60)
        async with cache.lock("l"):
            for n in range(1000):
                await cache.set(f"k{n}", n)
            assert await cache.increment("n") == 2
            assert {"once": 1, "session": 1, "v": 2} == await cache.get_many(
                ["once", "session", "v"]
            )
            assert await cache.guard_remaining("g") == 3
            assert ["m"] == await cache.index_members("i")


async def test_more_than_max_pinned_is_an_error_and_never_silence() -> None:
    now = 0.0
    async with MemoryCache(max_pinned=3, clock=lambda: now) as cache:
        for n in range(3):
            await cache.increment(f"n{n}", ttl=10)
        for call in (
            cache.increment("n3"),
            cache.set_nx("a", 1, ttl=5),
            cache.set("b", 1, pin=True),
            cache.guard_set("g", b"x" * 32, attempts=1, ttl=5),
        ):
            with pytest.raises(CacheFull):
                await call
        await cache.set("c", 1)
        assert await cache.increment("n0") == 2
        now = 11.0
        assert await cache.increment("n3") == 1  # what has expired makes room


async def test_expired_entries_are_swept_on_writes() -> None:
    now = 0.0
    async with MemoryCache(clock=lambda: now) as cache:
        for n in range(500):
            await cache.set(f"k{n}", n, ttl=1 + n % 3)
        now = 5.0
        await cache.set("last", 1)
        assert 1 == len(cache._store._local)
        assert 500 == cache.stats.expired


async def test_overwriting_one_key_for_ever_does_not_grow() -> None:
    async with MemoryCache() as cache:
        for n in range(2000):
            await cache.set("a", n)
        assert 1 == len(cache._store._local)


async def test_shared_objects_are_the_objects_themselves() -> None:
    async with connect("memory://", share_objects=True) as cache:
        value = object()
        await cache.set("a", value)
        assert await cache.get("a") is value
        await cache.set("b", b"\x02\x01 bytes that look like a frame")
        assert b"\x02\x01 bytes that look like a frame" == await cache.get("b")
        await cache.set("t", value, tags=["t"])
        assert await cache.get("t") is value
        assert (await cache.get_many(["t", "a"])) == {"t": value, "a": value}


async def test_another_kind_is_told_and_a_plain_value_takes_its_place() -> None:
    async with MemoryCache() as cache:
        await cache.index_add("i", "m", ttl=60)
        for call in (cache.get("i"), cache.take("i"), cache.guard_check("i", b"x" * 32)):
            with pytest.raises(WrongType):
                await call
        assert {} == await cache.get_many(["i"])
        await cache.set("i", 1)
        assert await cache.get("i") == 1
