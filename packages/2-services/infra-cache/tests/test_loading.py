"""Loading: contexts, cancellation, what a lease and a breaker of rules do."""

from __future__ import annotations

import asyncio
import random
from contextvars import ContextVar
from typing import Any

import pytest

from infra_cache import CacheUnavailable, LoadTimeout, RecursiveLoad, connect
from infra_errors import ValidationError

who: ContextVar[str] = ContextVar("who", default="nobody")


async def test_the_loader_sees_the_first_callers_context_and_changes_nobodys() -> None:
    async with connect("memory://") as cache:

        async def load() -> str:
            seen = who.get()
            who.set("the loader")
            return seen

        who.set("the first")
        assert await cache.get_or_load("a", load) == "the first"
        assert who.get() == "the first"


async def test_the_loader_runs_in_a_task_of_its_own() -> None:
    """So it never joins a database transaction that belongs to the caller's task."""
    async with connect("memory://") as cache:

        async def load() -> str:
            return str(id(asyncio.current_task()))

        assert str(id(asyncio.current_task())) != await cache.get_or_load("a", load)


async def test_a_thousand_random_cancels_leave_every_value_with_its_key() -> None:
    rng = random.Random(3)
    async with connect("memory://") as cache:

        def loader(key: str) -> Any:
            async def load() -> str:
                await asyncio.sleep(rng.random() / 500)
                return key

            return load

        async def call(key: str) -> bool:
            found = await cache.get_or_load(key, loader(key), ttl=0.005, stale=0.005)
            assert found == key
            return True

        tasks = []
        for n in range(1000):
            tasks.append(asyncio.create_task(call(f"k{n % 20}")))
            if rng.random() < 0.5:
                asyncio.get_running_loop().call_later(rng.random() / 300, tasks[-1].cancel)
            if n % 10 == 0:
                await asyncio.sleep(0.001)
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert {bool, asyncio.CancelledError} == {type(end) for end in ends}
        await asyncio.sleep(0.02)
        assert {} == cache._core.flights


async def test_waiters_each_get_a_value_of_their_own() -> None:
    async with connect("memory://") as cache:

        async def load() -> list[int]:
            await asyncio.sleep(0.01)
            return [1]

        found = await asyncio.gather(*(cache.get_or_load("a", load) for _ in range(3)))
        found[0].append(2)
        assert [[1, 2], [1], [1]] == found


async def test_who_comes_after_the_last_waiter_left_begins_anew() -> None:
    async with connect("memory://") as cache:
        started = 0

        async def load() -> int:
            nonlocal started
            started += 1
            try:
                await asyncio.sleep(0.05)
            except asyncio.CancelledError:
                await asyncio.sleep(0.05)  # takes its time to go
                raise
            return started

        first = asyncio.create_task(cache.get_or_load("a", load))
        await asyncio.sleep(0.01)
        first.cancel()
        await asyncio.wait([first])
        assert await cache.get_or_load("a", load) == 2


async def test_a_loader_that_cancels_itself_is_an_error_and_no_cancellation() -> None:
    async with connect("memory://") as cache:

        async def load() -> None:
            raise asyncio.CancelledError

        with pytest.raises(CacheUnavailable):
            await cache.get_or_load("a", load)


async def test_a_task_that_outlives_the_load_may_ask_for_its_key() -> None:
    async with connect("memory://") as cache:
        later: list[asyncio.Task[int]] = []

        async def ask() -> int:
            await asyncio.sleep(0.02)
            return await cache.get_or_load("a", load)

        async def load() -> int:
            if not later:
                later.append(asyncio.create_task(ask()))
            return 1

        assert await cache.get_or_load("a", load) == 1
        await cache.delete("a")
        assert await later[0] == 1


async def test_a_refresh_whose_loader_asks_for_its_key_is_told_too() -> None:
    async with connect("memory://") as cache:
        errors: list[Exception] = []

        async def load() -> int:
            try:
                return await cache.get_or_load("a", load)
            except RecursiveLoad as error:
                errors.append(error)
                return 2

        async def first() -> int:
            return 1

        await cache.get_or_load("a", first, ttl=0.02, stale=10)
        await asyncio.sleep(0.05)
        assert await cache.get_or_load("a", load, ttl=10) == 1
        await asyncio.sleep(0.05)
        assert [RecursiveLoad] == [type(error) for error in errors]
        assert await cache.get("a") == 2


async def test_no_more_than_so_many_refreshes_run_at_once() -> None:
    async with connect("memory://") as cache:
        go = asyncio.Event()

        async def quick() -> int:
            return 1

        async def slow() -> int:
            await go.wait()
            return 2

        for n in range(70):
            await cache.get_or_load(f"k{n}", quick, ttl=0.02, stale=60)
        await asyncio.sleep(0.05)
        for n in range(70):
            assert await cache.get_or_load(f"k{n}", slow, stale=60) == 1
        assert 64 == len(cache._core.refreshes)
        assert 6 == cache.stats.background_dropped
        go.set()


async def test_jitter_spreads_the_ttl_around_what_was_asked() -> None:
    draws = iter([0.0, 0.5, 0.999999])
    async with connect("memory://", rng=lambda: next(draws)) as cache:

        async def load() -> int:
            return 1

        left = []
        for key in "abc":
            await cache.get_or_load(key, load, ttl=100, jitter=0.1)
            left.append(await cache.ttl(key))
        assert [90, 100, 110] == [round(float(ttl)) for ttl in left]  # type: ignore[arg-type]  # seconds


@pytest.mark.parametrize(
    "options",
    [
        {"stale": -1},
        {"jitter": 1.0},
        {"jitter": -0.1},
        {"load_timeout": 0},
        {"negative_ttl": 0},
        {"ttl": 0},
        {"on_error": "ignore"},
        {"tags": "text"},
        {"tags": [""]},
        {"tags": [f"t{n}" for n in range(65)]},
    ],
    ids=str,
)
async def test_an_option_that_cannot_work_is_refused_before_anything_is_loaded(
    options: dict[str, Any],
) -> None:
    async with connect("memory://") as cache:

        async def load() -> int:
            pytest.fail("loaded")

        with pytest.raises(ValidationError):
            await cache.get_or_load("a", load, **options)


async def test_the_loaders_own_timeout_stays_its_own() -> None:
    async with connect("memory://") as cache:

        async def load() -> None:
            raise TimeoutError("mine")

        with pytest.raises(TimeoutError, match="mine") as caught:
            await cache.get_or_load("a", load)
        assert not isinstance(caught.value, LoadTimeout)


async def test_a_lease_whose_holder_hangs_is_waited_for_no_longer_than_the_load_may_take() -> None:
    async with connect("memory://") as cache:
        key = f"{cache._prefix}\x1flease:a"
        assert await cache._store.lock_acquire(key, "another process", 60_000)

        async def load() -> int:
            return 1

        async with asyncio.timeout(2):
            assert await cache.get_or_load("a", load, across=True, load_timeout=0.2) == 1


async def test_a_load_that_takes_longer_than_its_ttl_is_kept_with_its_tags() -> None:
    async with connect("memory://") as cache:
        loads = 0

        async def load() -> int:
            nonlocal loads
            loads += 1
            await asyncio.sleep(1.3)
            return loads

        for _ in range(3):
            assert await cache.get_or_load("a", load, ttl=0.25, tags=["t"]) == 1
        assert 1 == loads
