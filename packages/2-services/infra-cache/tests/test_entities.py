"""EntityCache and invalidate_after: races with invalidation, many at once, transactions."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest

from infra_cache import CacheUnavailable, EntityCache, connect, invalidate_after

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from infra_cache.cache import StoreCache


class Table:
    """A database: rows, and what was asked of it."""

    def __init__(self, rows: dict[int, str]) -> None:
        self.rows = rows
        self.one: list[int] = []
        self.many: list[list[int]] = []
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def load(self, id: int) -> str | None:
        self.one.append(id)
        self.asked.set()
        row = self.rows.get(id)
        await self.gate.wait()
        return row

    async def load_many(self, ids: Sequence[int]) -> dict[int, str]:
        self.many.append(list(ids))
        self.asked.set()
        found = {id: self.rows[id] for id in ids if id in self.rows}
        await self.gate.wait()
        return found


@pytest.fixture(
    params=["memory", "shared", pytest.param("redis", marks=pytest.mark.server("redis"))]
)
def opened(request: pytest.FixtureRequest) -> StoreCache:
    if request.param == "redis":
        url, namespace = (request.getfixturevalue(name) for name in ("redis_url", "namespace"))
        return connect(url, namespace=namespace)
    return connect("memory://", share_objects=request.param == "shared")


@pytest.fixture
async def cache(opened: StoreCache) -> AsyncIterator[StoreCache]:
    async with opened:
        yield opened
        await opened.clear()


async def test_an_entity_is_loaded_once_and_an_absent_one_is_remembered(cache: StoreCache) -> None:
    table = Table({1: "ann"})
    users: EntityCache[str] = EntityCache(cache, "user", table.load)
    assert ["ann", "ann", None, None] == [await users.get(id) for id in (1, 1, 2, 2)]
    assert [1, 2] == table.one
    assert "user:1" == users.key(1)


async def test_many_are_read_together_and_the_missing_loaded_in_one_call(cache: StoreCache) -> None:
    table = Table({1: "ann", 2: "bob", 3: "cy"})
    users: EntityCache[str] = EntityCache(cache, "user", table.load, load_many=table.load_many)
    await users.get(2)
    assert {3: "cy", 2: "bob", 1: "ann"} == await users.get_many([3, 2, 1, 9])
    assert [3, 2, 1] == list(await users.get_many([3, 2, 1, 9]))
    assert [[3, 1, 9]] == table.many
    assert "cy" == await users.get(3)
    assert await users.get(9) is None
    assert [2] == table.one
    assert {} == await users.get_many([])


async def test_without_load_many_each_is_loaded_by_itself(cache: StoreCache) -> None:
    table = Table({1: "ann", 2: "bob"})
    users: EntityCache[str] = EntityCache(cache, "user", table.load)
    assert {1: "ann", 2: "bob"} == await users.get_many([1, 2, 3])
    assert [1, 2, 3] == sorted(table.one)


async def test_an_invalidation_forgets_and_put_keeps(cache: StoreCache) -> None:
    table = Table({number: str(number) for number in range(200)})
    users: EntityCache[str] = EntityCache(cache, "user", table.load, load_many=table.load_many)
    await users.get_many(range(200))
    await users.invalidate(*range(200))
    table.rows[5] = "new"
    assert "new" == (await users.get_many([5]))[5]
    await users.put(6, "put")
    assert "put" == await users.get(6)
    assert "put" == (await users.get_many([6]))[6]


@pytest.mark.parametrize("many", [False, True])
async def test_a_load_that_races_an_invalidation_dies_with_it(
    cache: StoreCache, many: bool
) -> None:
    table = Table({1: "old"})
    users: EntityCache[str] = EntityCache(cache, "user", table.load, load_many=table.load_many)
    table.gate.clear()
    racing = asyncio.create_task(users.get_many([1]) if many else users.get(1))
    await table.asked.wait()
    table.rows[1] = "new"
    await users.invalidate(1)
    table.gate.set()
    await racing
    assert "new" == await users.get(1)
    assert {1: "new"} == await users.get_many([1])


async def test_what_a_loader_raises_reaches_the_caller_and_is_not_kept(cache: StoreCache) -> None:
    async def broken(ids: Sequence[int]) -> dict[int, str]:
        raise OSError(str(ids))

    users: EntityCache[str] = EntityCache(cache, "user", Table({1: "a"}).load, load_many=broken)
    with pytest.raises(OSError, match="1"):
        await users.get_many([1])
    assert "a" == await users.get(1)


class Tx:
    def __init__(self) -> None:
        self.callbacks: list[Callable[[], Any]] = []

    def after_commit(self, fn: Callable[[], Any], /) -> None:
        self.callbacks.append(fn)

    async def commit(self) -> None:
        for callback in self.callbacks:
            await callback()


async def test_only_a_commit_invalidates(cache: StoreCache) -> None:
    await cache.set("k", 1)
    await cache.set("tagged", 1, tags=("t",))
    tx = Tx()
    invalidate_after(tx, cache, keys=["k"], tags=["t"])
    assert 1 == await cache.get("k")  # and so it stays after a rollback
    await tx.commit()
    assert [None, None] == [await cache.get("k"), await cache.get("tagged")]


async def test_a_failing_invalidation_is_retried_and_then_one_error_without_its_keys(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Down:
        calls = 0

        async def delete_many(self, keys: Any) -> int:
            self.calls += 1
            raise CacheUnavailable("down")

    cache, tx = Down(), Tx()
    invalidate_after(tx, cache, keys=["user:7"])  # type: ignore[arg-type]
    with caplog.at_level(logging.ERROR):
        await tx.commit()
    assert 4 == cache.calls
    (told,) = caplog.records
    assert "the invalidation of 1 keys and 0 tags gave up after 4 attempts" in told.getMessage()
    assert "user:7" not in caplog.text
