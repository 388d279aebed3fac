"""Locks in one process: the line, the wait, the tokens."""

from __future__ import annotations

import asyncio

import pytest

from infra_cache import LockHeld, LockLost, connect
from infra_errors import ValidationError


async def test_who_came_first_is_served_first() -> None:
    async with connect("memory://") as cache:
        order: list[int] = []

        async def work(n: int) -> None:
            async with cache.lock("l"):
                order.append(n)
                await asyncio.sleep(0.002)

        tasks = []
        for n in range(20):
            tasks.append(asyncio.create_task(work(n)))
            await asyncio.sleep(0)
        await asyncio.gather(*tasks)
        assert list(range(20)) == order
        assert {} == cache._core.queues


async def test_who_leaves_the_line_is_not_waited_for() -> None:
    async with connect("memory://") as cache:
        entered: list[str] = []

        async def work(name: str) -> None:
            async with cache.lock("l"):
                entered.append(name)

        async with cache.lock("l"):
            gone = asyncio.create_task(work("gone"))
            stays = asyncio.create_task(work("stays"))
            await asyncio.sleep(0.01)
            gone.cancel()
            await asyncio.wait([gone])
        await stays
        assert ["stays"] == entered


async def test_a_turn_that_comes_as_its_waiter_is_cancelled_goes_to_the_next() -> None:
    async with connect("memory://") as cache:

        async def work() -> None:
            async with cache.lock("l"):
                pass

        for _ in range(20):
            async with cache.lock("l"):
                one, two = asyncio.create_task(work()), asyncio.create_task(work())
                await asyncio.sleep(0)
            one.cancel()  # its turn was set, and it has not run yet
            await asyncio.wait([one])
            async with asyncio.timeout(1):
                await two


async def test_a_lock_of_another_process_that_ends_is_taken_over_with_a_higher_token() -> None:
    now = [1_000_000.0]
    async with connect("memory://", clock=lambda: now[0]) as cache:
        key = f"{cache._prefix}\x1flock:l"
        token = await cache._store.lock_acquire(key, "another", 5000)
        assert token is not None
        with pytest.raises(LockHeld):
            async with cache.lock("l", wait=0.03):
                pass
        now[0] += 6
        async with cache.lock("l", wait=0) as lock:
            assert lock.fencing_token > token
        now[0] -= 3600  # and it grows though the clock went back
        async with cache.lock("l", wait=0) as again:
            assert again.fencing_token > lock.fencing_token


async def test_a_lost_lock_is_told_at_the_end_unless_the_block_failed_by_itself() -> None:
    async with connect("memory://") as cache:
        key = f"{cache._prefix}\x1flock:l"
        with pytest.raises(LockLost):
            async with cache.lock("l"):
                await cache._store.delete([key])
        with pytest.raises(KeyError):
            async with cache.lock("l"):
                await cache._store.delete([key])
                raise KeyError("mine")


async def test_a_lock_released_by_hand_ends_without_an_error() -> None:
    async with connect("memory://") as cache, cache.lock("l") as lock:
        assert await lock.release()
        assert lock.name == "l"


async def test_a_ttl_or_a_wait_that_is_none_is_refused() -> None:
    async with connect("memory://") as cache:
        for options in ({"ttl": 0}, {"wait": -1}, {"wait": float("nan")}):
            with pytest.raises(ValidationError):
                async with cache.lock("l", **options):
                    pass
