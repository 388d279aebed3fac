"""The SQLite file: several processes, a full disk, what is swept, and a file of somebody else."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from infra_cache import CacheFull, StoreError, connect
from infra_errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.threads

COUNT = """
import asyncio, sys
from infra_cache import connect

async def main():
    async with connect(sys.argv[1], timeout=20.0) as cache:
        for _ in range(200):
            await cache.increment("n")

asyncio.run(main())
"""


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'cache.db'}"


@pytest.mark.subprocess
async def test_four_processes_count_together(url: str) -> None:
    async with connect(url, timeout=20.0) as cache:
        await cache.ping()
        running = [subprocess.Popen([sys.executable, "-c", COUNT, url]) for _ in range(4)]
        for process in running:
            assert 0 == await asyncio.to_thread(process.wait, 60)
        assert 800 == await cache.get("n")


async def test_a_full_disk_is_an_error_and_what_was_there_stays(url: str) -> None:
    async with connect(url) as cache:
        await cache.set("a", "kept")
        store = cache._store
        await store._do("TEST", lambda: store._db.execute("PRAGMA max_page_count = 20").fetchone())
        with pytest.raises(CacheFull):
            for n in range(100):
                await cache.set(f"k{n}", "x" * 4000)
        assert await cache.get("a") == "kept"
        await cache.delete_pattern("k*")
        await cache.set("b", 1)
        assert await cache.get("b") == 1

        async def load() -> str:
            return "y" * 200_000

        assert 200_000 == len(await cache.get_or_load("big", load))  # served though not stored


async def test_expired_rows_are_swept_and_the_oldest_leave_when_there_are_too_many(
    url: str,
) -> None:
    async with connect(url, max_items=100) as cache:
        for n in range(100):
            await cache.set(f"short{n}", n, ttl=0.05)
        await cache.set_nx("pinned", 1, ttl=60)
        await asyncio.sleep(0.1)
        for n in range(400):
            await cache.set(f"k{n}", n)
        store = cache._store
        query = "SELECT count(*) FROM entries"
        (rows,) = await store._do("TEST", lambda: store._db.execute(query).fetchone())
        assert 100 <= rows <= 101 + 64
        assert 100 == cache.stats.expired
        assert cache.stats.evictions >= 235
        assert await cache.get("k0") is None
        assert await cache.get("k399") == 399
        assert await cache.get("pinned") == 1


async def test_a_cancelled_call_is_done_whole_or_not_at_all(url: str) -> None:
    async with connect(url) as cache:
        done = 0
        for n in range(200):
            task = asyncio.create_task(cache.increment("n"))
            for _ in range(n % 5):
                await asyncio.sleep(0)
            task.cancel()
            ends = await asyncio.gather(task, return_exceptions=True)
            done += isinstance(ends[0], int)
        assert done <= await cache.get("n", 0) <= 200
        assert await cache.increment("m") == 1


async def test_what_was_written_is_there_after_closing(url: str) -> None:
    async with connect(url) as cache:
        await cache.set("a", 1, ttl=None)
    async with connect(url) as cache:
        assert await cache.get("a") == 1


async def test_a_clock_that_goes_back_brings_nothing_back(url: str) -> None:
    now = 1_000_000.0
    async with (
        connect(url, clock=lambda: now) as cache,
        connect("memory://", clock=lambda: now) as m,
    ):
        for each in (cache, m):
            now = 1_000_000.0
            await each.set("a", 1, ttl=10)
            now += 11
            assert await each.get("a") is None
            await each.set("b", 1, ttl=10)
            now -= 3600
            assert await each.get("a") is None
            now += 3600 + 11
            assert await each.get("b") is None


async def test_a_file_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    cache = connect(f"sqlite:///{path}")
    with pytest.raises(StoreError):
        await cache.get("a")
    await cache.aclose()


async def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    cache = connect(f"sqlite:///{tmp_path / 'absent' / 'c.db'}")
    health = await cache.health()
    assert "cache.connection" == health.error
    await cache.aclose()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:"])
def test_a_url_without_a_file_is_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        connect(url)
