"""The memory tier: what is in it, when it is left aside, and what never gets into it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from infra_cache import CapabilityError, LocalOptions, connect
from infra_errors import ConfigError, RetryPolicy

pytest.importorskip("redis")

from redis.asyncio import Redis  # after the check that it is there

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from infra_cache.cache import StoreCache
    from infra_sim.servers import Server

server = pytest.mark.server("redis")


async def becomes(cache: StoreCache, key: str, value: object) -> None:
    async with asyncio.timeout(3):
        while await cache.get(key) != value:  # noqa: ASYNC110  # the server tells no test
            await asyncio.sleep(0.005)


@server
async def test_a_second_read_asks_no_server(redis_url: str, namespace: str) -> None:
    async with (
        connect(redis_url, namespace=namespace, l1=LocalOptions()) as cache,
        Redis.from_url(redis_url) as raw,
    ):
        await cache.set("a", 1, ttl=60)
        assert await cache.get("a") == 1
        await asyncio.sleep(0.05)
        before = (await raw.info("stats"))["keyspace_hits"]
        for _ in range(20):
            assert await cache.get("a") == 1
        assert (await raw.info("stats"))["keyspace_hits"] == before
        assert cache.stats.l1_hits >= 20


@server
async def test_a_change_by_somebody_else_is_heard(redis_url: str, namespace: str) -> None:
    async with (
        connect(redis_url, namespace=namespace, l1=LocalOptions()) as near,
        connect(redis_url, namespace=namespace) as other,
    ):
        await near.set("a", 1)
        assert await near.get("a") == 1
        await other.set("a", 2)
        await becomes(near, "a", 2)
        await other.delete("a")
        await becomes(near, "a", None)


@server
async def test_a_tag_that_somebody_else_invalidates_ends_what_is_in_memory(
    redis_url: str, namespace: str
) -> None:
    async def load() -> int:
        return 1

    async with (
        connect(redis_url, namespace=namespace, l1=LocalOptions()) as near,
        connect(redis_url, namespace=namespace) as other,
    ):
        for _ in range(3):
            await near.get_or_load("a", load, tags=["t"])
            await asyncio.sleep(0.02)
        assert near.stats.l1_hits >= 1
        await other.invalidate_tags("t")
        await becomes(near, "a", None)


@server
async def test_own_writes_are_seen_at_once(redis_url: str, namespace: str) -> None:
    async with connect(redis_url, namespace=namespace, l1=LocalOptions()) as cache:
        for n in range(200):
            await cache.set("a", n)
            assert n == await cache.get("a")
        assert await cache.increment("n") == 1
        assert await cache.get("n") == 1
        assert await cache.increment("n") == 2
        assert await cache.get("n") == 2


@server
async def test_a_fetch_that_a_change_overlapped_is_not_kept(redis_url: str, namespace: str) -> None:
    async with connect(redis_url, namespace=namespace, l1=LocalOptions()) as cache:
        await cache.set("a", "old")
        await asyncio.sleep(0.05)
        tier = cache._store
        real = tier._l2.fetch

        async def slow(*args: object, **kwargs: object) -> object:
            found = await real(*args, **kwargs)
            tier.changed(f"{namespace}:a")  # as the server's word arrives now
            return found

        tier._l2.fetch = slow
        assert await cache.get("a") == "old"
        tier._l2.fetch = real
        assert 0 == len(tier._l1)
        assert {} == tier._fetches


@server
async def test_memory_is_emptied_and_left_aside_while_the_tracking_connection_is_down(
    private_server: Callable[[str], Awaitable[Server]],
) -> None:
    running = await private_server("redis")
    patient = RetryPolicy(attempts=6, base=0.3, deadline=None)
    async with connect(running.url, l1=LocalOptions(), retry=patient) as cache:
        await cache.set("a", 1)
        assert await cache.get("a") == 1
        tier = cache._store
        assert 1 == len(tier._l1)
        async with Redis.from_url(running.url) as raw:
            await raw.client_kill_filter(_type="normal", skipme=True)
            await asyncio.sleep(0.1)
            assert not tier._tracking.alive
            assert 0 == len(tier._l1)
            assert "bypassed" in str((await cache.health()).warnings)
            await raw.set("a", b"2")
            assert await cache.get("a") == 2
            async with asyncio.timeout(5):
                while not tier._tracking.alive:  # noqa: ASYNC110  # nobody tells
                    await asyncio.sleep(0.05)
            await raw.flushall()
            await becomes(cache, "a", None)


@server
async def test_a_tier_may_share_the_objects_it_has_decoded(redis_url: str, namespace: str) -> None:
    async def load() -> dict[str, int]:
        return {"n": 1}

    tier = LocalOptions(share_objects=True)
    async with (
        connect(redis_url, namespace=namespace, l1=tier) as near,
        connect(redis_url, namespace=namespace, l1=LocalOptions()) as copying,
        connect(redis_url, namespace=namespace) as other,
    ):
        await other.set("a", {"n": 1})
        first = await near.get("a")
        assert first == {"n": 1}
        assert first is await near.get("a")
        assert await copying.get("a") is not await copying.get("a")
        await other.set("a", {"n": 2})
        await becomes(near, "a", {"n": 2})
        # with a frame: tags, and a stale period
        await near.get_or_load("b", load, tags=["t"], stale=60)
        await asyncio.sleep(0.1)  # the server's word of that write is heard
        found = [await near.get_or_load("b", load, tags=["t"], stale=60) for _ in range(3)]
        assert found[1] == {"n": 1}
        assert found[1] is found[2]


CHANNEL = LocalOptions(invalidation="pubsub")


@server
async def test_tiers_tell_each_other_on_a_channel(redis_url: str, namespace: str) -> None:
    async def load() -> int:
        return 1

    async with (
        connect(redis_url, namespace=namespace, l1=CHANNEL) as near,
        connect(redis_url, namespace=namespace, l1=CHANNEL) as other,
    ):
        for change in (
            lambda: other.set("a", 2),
            lambda: other.delete("a"),
            lambda: other.set_many({"a": 2}),
            lambda: other.invalidate_tags("t"),
            lambda: other.clear(),
        ):
            await near.set("a", 1, tags=["t"])
            for _ in range(2):
                assert await near.get("a") == 1
            before = near.stats.l1_hits
            assert await near.get("a") == 1
            assert before < near.stats.l1_hits
            await change()
            async with asyncio.timeout(5):
                while await near.get("a") == 1:  # noqa: ASYNC110  # nobody tells
                    await asyncio.sleep(0.01)


@server
async def test_its_own_message_does_not_empty_a_tier(redis_url: str, namespace: str) -> None:
    async with connect(redis_url, namespace=namespace, l1=CHANNEL) as cache:
        await cache.set("a", 1)
        assert await cache.get("a") == 1
        await asyncio.sleep(0.1)
        before = cache.stats.l1_hits
        assert await cache.get("a") == 1
        assert before + 1 == cache.stats.l1_hits


@server
@pytest.mark.parametrize(
    ("rights", "mode"),
    [
        (["~*", "&*", "+@all"], "tracking"),
        (["~*", "&*", "+@all", "-client|tracking"], "pubsub"),
        (["~*", "resetchannels", "+@all", "-client|tracking"], None),
    ],
    ids=["all", "no-tracking", "neither"],
)
async def test_auto_takes_the_first_that_the_server_allows(
    private_server: Callable[[str], Awaitable[Server]],
    rights: list[str],
    mode: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "infra_cache")
    running = await private_server("redis")
    async with Redis.from_url(running.url) as raw:
        await raw.execute_command("ACL", "SETUSER", "u", "on", ">p", *rights)
    url = running.url.replace("redis://", "redis://u:p@")
    async with connect(url, l1=LocalOptions()) as cache:
        await cache.set("a", 1)
        assert await cache.get("a") == 1
    chosen = "its ttl alone" if mode is None else f"invalidated by {mode}"
    assert chosen in caplog.text
    if mode != "tracking":
        asked = "tracking" if mode is not None else "pubsub"
        refused = connect(url, l1=LocalOptions(invalidation=asked))  # type: ignore[arg-type]  # one of the modes
        with pytest.raises(ConfigError, match=asked):
            await refused.ping()
        await refused.aclose()


async def test_with_ttl_alone_a_value_stays_for_that_long(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'cache.db'}"
    options = LocalOptions(ttl=0.2, invalidation="ttl")
    async with connect(url, l1=options) as near, connect(url) as other:
        await near.set("a", 1)
        assert await near.get("a") == 1
        await other.set("a", 2)
        assert await near.get("a") == 1
        await asyncio.sleep(0.25)
        assert await near.get("a") == 2


def test_a_tier_before_memory_or_without_tracking_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        connect("memory://", l1=LocalOptions())
    with pytest.raises(CapabilityError):
        connect(f"sqlite:///{tmp_path / 'c.db'}", l1=LocalOptions(invalidation="tracking"))
    with pytest.raises(ConfigError):
        LocalOptions(invalidation="hope")  # type: ignore[arg-type]  # the case


@server
async def test_a_scan_does_not_push_what_is_read_often_out_of_memory(
    redis_url: str, namespace: str
) -> None:
    async with connect(redis_url, namespace=namespace, l1=LocalOptions(max_items=100)) as cache:
        often = [f"often:{n}" for n in range(20)]
        for key in often:
            await cache.set(key, 1, ttl=60)
        for _ in range(20):
            for key in often:
                await cache.get(key)
        for n in range(300):
            await cache.set(f"once:{n}", 1, ttl=60)
            await cache.get(f"once:{n}")
        before = cache.stats.l1_hits
        for key in often:
            await cache.get(key)
        assert cache.stats.l1_hits - before >= 15  # the least recently used would all be gone
