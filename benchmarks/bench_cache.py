"""infra-cache beside its peers: `python benchmarks/bench_cache.py`.

The rows on Redis need a server: the one at INFRA_TEST_REDIS_URL, else on the loopback port 6379.
They use keys of their own and remove them. The hit ratios need the public traces of the tests.
"""

from __future__ import annotations

import asyncio
import bisect
import hashlib
import importlib.util
import itertools
import json
import os
import random
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import limits
import redis.asyncio
import throttled.asyncio
from _bench import Fact, Row, at_most, at_most_times, called, faster, imported, report
from aiocache import SimpleMemoryCache
from cachetools import TTLCache
from cashews import Cache as Cashews

from infra_cache import (
    LLMCache,
    LocalCache,
    LocalOptions,
    LocalRateLimiter,
    MemoryCache,
    Rate,
    RateLimiter,
    connect,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from _bench import Timer

URL = os.environ.get("INFRA_TEST_REDIS_URL", "redis://127.0.0.1:6379/0")
TESTS = Path(__file__).parents[1] / "packages/2-services/infra-cache/tests"
MINE = f"bench-{uuid.uuid4().hex}"
ITEMS = 10_000
VALUE = {"id": "x" * 26, "model": "gpt", "content": "y" * 400, "usage": {"in": 10, "out": 200}}
TEXT = json.dumps(VALUE).encode()


class Plain:
    """What every cache is measured against: a dict behind a method."""

    def __init__(self) -> None:
        self.table: dict[str, Any] = {}

    def get(self, key: str) -> Any:
        return self.table.get(key)


def zipf(count: int, names: int) -> list[str]:
    """Give keys as they are asked for: few often, many seldom."""
    chance = random.Random(1)
    weights = list(itertools.accumulate(1 / (at + 1) for at in range(names)))
    drawn = (bisect.bisect_left(weights, chance.random() * weights[-1]) for _ in range(count))
    return [f"key:{at}" for at in drawn]


KEYS = zipf(100_000, ITEMS // 2)


def filling() -> Iterator[tuple[str, int]]:
    """Give what is kept: keys equal to those asked for, objects of each cache's own."""
    return ((f"key:{at}", at) for at in range(ITEMS // 2))


def gets(get: Callable[[str], Any]) -> Timer:
    """Time one pass over the keys."""

    def run() -> None:
        for key in KEYS:
            get(key)

    return called(run)


def sets(put: Callable[[str, int], Any]) -> Timer:
    """Time one pass that replaces values."""

    def run() -> None:
        for key in KEYS:
            put(key, 1)

    return called(run)


def on_loop(
    opened: Callable[[], Any], call: Callable[[Any], Callable[[], Awaitable[object]]]
) -> Timer:
    """Time awaited calls on something opened in the same loop; opening is not timed."""

    async def repeat(times: int) -> float:
        async with opened() as thing:
            fn = call(thing)
            await fn()
            start = time.perf_counter()
            for _ in range(times):
                await fn()
            return time.perf_counter() - start

    return lambda times: asyncio.run(repeat(times))


def in_process() -> Iterator[Row]:
    plain = Plain()
    plain.table = dict(filling())
    base = gets(plain.get)
    for policy, most in (("adaptive", 4.0), ("lru", 3.5)):
        for ttl in (None, 60.0):
            cache: LocalCache[str, int] = LocalCache(ITEMS, policy=policy, ttl=ttl)
            for key, value in filling():
                cache.set(key, value)
            text = f"LocalCache.get, {policy}{', ttl' if ttl else ''}, 100,000 hits"
            yield Row(text, gets(cache.get), at_most_times(most), base, "dict")
    theirs: TTLCache[str, int] = TTLCache(ITEMS, 60)
    theirs.update(filling())
    peer = sets(theirs.__setitem__)
    for policy in ("adaptive", "lru"):
        cache = LocalCache(ITEMS, policy=policy, ttl=60)
        for key, value in filling():
            cache.set(key, value)
        text = f"LocalCache.set with ttl, {policy}, 100,000 replaced"
        yield Row(text, sets(cache.set), faster(2), peer, "cachetools TTLCache")


class Filled:
    """A cache in memory with one key; it ends with its loop."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make

    async def __aenter__(self) -> Any:
        cache = self.make()
        await cache.set("k", 1)
        return cache

    async def __aexit__(self, *_: object) -> None:
        """Nothing to close."""


def cashews_in_memory() -> Cashews:
    cache = Cashews()
    cache.setup("mem://")
    return cache


def in_process_async() -> Iterator[Row]:
    def reading(make: Callable[[], Any]) -> Timer:
        return on_loop(lambda: Filled(make), lambda cache: lambda: cache.get("k"))

    plain = Plain()
    plain.table["k"] = 1
    ours, base = reading(lambda: MemoryCache(share_objects=True)), called(lambda: plain.get("k"))
    yield Row("await MemoryCache.get, shared", ours, at_most_times(6), base, "dict")
    for name, make in (("aiocache", SimpleMemoryCache), ("cashews", cashews_in_memory)):
        yield Row("await MemoryCache.get, shared", ours, faster(1), reading(make), name)


class OnRedis:
    """redis-py by itself, filled with the values that are read."""

    async def __aenter__(self) -> redis.asyncio.Redis:
        self.client = redis.asyncio.Redis.from_url(URL, protocol=3)
        for at in range(50):
            await self.client.set(f"{MINE}:raw:{at}", TEXT, ex=600)
        return self.client

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()


class OursOnRedis:
    """Our cache on the same server, filled likewise."""

    def __init__(self, **options: Any) -> None:
        self.options = options

    async def __aenter__(self) -> Any:
        self.cache = connect(URL, namespace=MINE, **self.options)
        await self.cache.set_many({f"ours:{at}": VALUE for at in range(50)}, ttl=600)
        return self.cache

    async def __aexit__(self, *_: object) -> None:
        await self.cache.aclose()


def on_redis() -> Iterator[Row]:
    raw, ours = f"{MINE}:raw", "ours"
    names = [f"{raw}:{at}" for at in range(50)]
    mine = [f"{ours}:{at}" for at in range(50)]

    def read(client: Any) -> Callable[[], Awaitable[object]]:
        async def call() -> object:
            return json.loads(await client.get(names[0]))

        return call

    def write(client: Any) -> Callable[[], Awaitable[object]]:
        return lambda: client.set(names[0], json.dumps(VALUE), ex=600)

    def read_many(client: Any) -> Callable[[], Awaitable[object]]:
        async def call() -> object:
            return [json.loads(data) for data in await client.mget(names)]

        return call

    plain_get = on_loop(OnRedis, lambda client: lambda: client.get(names[0]))
    yield Row("Redis get, 500-byte dict", on_loop(OursOnRedis, lambda c: lambda: c.get(mine[0])),
              at_most_times(1.25), on_loop(OnRedis, read), "redis-py + json")  # fmt: skip
    yield Row("Redis set", on_loop(OursOnRedis, lambda c: lambda: c.set(mine[0], VALUE, ttl=600)),
              at_most_times(1.15), on_loop(OnRedis, write), "redis-py + json")  # fmt: skip
    yield Row("get_many 50", on_loop(OursOnRedis, lambda c: lambda: c.get_many(mine)),
              at_most_times(1.3), on_loop(OnRedis, read_many), "MGET + json")  # fmt: skip
    tiered = on_loop(lambda: OursOnRedis(l1=LocalOptions()), lambda c: lambda: c.get(mine[0]))
    yield Row("tiered hit", tiered, at_most_times(0.05), plain_get, "GET")
    yield Row("delete_pattern, 20,000 keys", deleting(delete_ours), at_most_times(1.2),
              deleting(delete_by_hand), "SCAN + UNLINK")  # fmt: skip

    def limited(cache: Any) -> Callable[[], Awaitable[object]]:
        limiter = RateLimiter(cache, Rate(1_000_000, 1), name="bench")
        return lambda: limiter.hit("k")

    ours_limited = on_loop(OursOnRedis, limited)
    yield Row("RateLimiter.hit, gcra", ours_limited, at_most_times(1.35), plain_get, "GET")
    yield Row("RateLimiter.hit, gcra", ours_limited, faster(1.7), on_loop(Throttled, lambda it:
              lambda: it.limit("k")), "throttled-py")  # fmt: skip


class Throttled:
    """throttled-py's GCRA on the same server."""

    async def __aenter__(self) -> Any:
        return throttled.asyncio.Throttled(
            using="gcra",
            quota=throttled.asyncio.per_sec(1_000_000),
            store=throttled.asyncio.RedisStore(server=URL),
            key_prefix=f"{MINE}:throttled",
        )

    async def __aexit__(self, *_: object) -> None:
        """It closes with its loop."""


async def delete_ours(_: Any) -> None:
    async with connect(URL, namespace=MINE) as cache:
        start = time.perf_counter()
        assert await cache.delete_pattern("dp:*") == 20_000
        spent.append(time.perf_counter() - start)


async def delete_by_hand(client: Any) -> None:
    start = time.perf_counter()
    batch: list[bytes] = []
    async for key in client.scan_iter(f"{MINE}:dp:*", count=1000):
        batch.append(key)
        if len(batch) == 500:
            await client.unlink(*batch)
            batch = []
    if batch:
        await client.unlink(*batch)
    spent.append(time.perf_counter() - start)


spent: list[float] = []


def deleting(delete: Callable[[Any], Awaitable[None]]) -> Timer:
    """Time the deletion of 20,000 keys, which are made anew each time and not timed."""

    async def once() -> None:
        async with OnRedis() as client:
            pipe = client.pipeline(transaction=False)
            for at in range(20_000):
                pipe.set(f"{MINE}:dp:{at}", b"1", ex=600)
            await pipe.execute()
            await delete(client)

    def timer(times: int) -> float:
        spent.clear()
        for _ in range(times):
            asyncio.run(once())
        return sum(spent)

    return timer


def limiting() -> Iterator[Row]:
    limiter = LocalRateLimiter(Rate(10**8, 600))
    ours = called(lambda: limiter.hit("k"))
    yield Row("LocalRateLimiter.hit", ours, at_most(1e-6))
    item = limits.parse("100000000/minute")
    for name, kind in (
        ("sliding window", limits.strategies.SlidingWindowCounterRateLimiter),
        ("fixed window", limits.strategies.FixedWindowRateLimiter),
    ):
        theirs = kind(limits.storage.MemoryStorage())
        peer = called(lambda theirs=theirs: theirs.hit(item, "k"))
        yield Row("LocalRateLimiter.hit", ours, faster(7), peer, f"limits, {name}")


def stampedes() -> Iterator[Fact]:
    async def callers(*caches: Any, across: bool) -> int:
        loads = 0

        async def load() -> int:
            nonlocal loads
            loads += 1
            await asyncio.sleep(0.1)
            return 1

        await asyncio.gather(
            *(caches[at % len(caches)].get_or_load("cold", load, across=across, ttl=600)
              for at in range(200))
        )  # fmt: skip
        return loads

    async def memory() -> int:
        async with connect("memory://") as cache:
            return await callers(cache, across=False)

    async def server() -> int:
        async with connect(URL, namespace=MINE) as one, connect(URL, namespace=MINE) as other:
            return await callers(one, other, across=True)

    for name, run in (("memory", memory), ("two caches on Redis, across", server)):
        loads = asyncio.run(run())
        yield Fact(f"cold key, 200 callers, {name}", f"{loads} load", "1 load", loads == 1)


def answers() -> Iterator[Row]:
    words = "the quick brown fox jumps over the lazy dog " * 22
    request = {"model": "gpt", "temperature": 0, "messages": [
        {"role": role, "content": words} for role in ("system", "user", "assistant", "user")
    ]}  # fmt: skip
    llm = LLMCache(connect("memory://"))
    peer = called(lambda: hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest())
    size = len(json.dumps(request))
    yield Row(f"LLM key, {size} bytes", called(lambda: llm.key(request)), at_most_times(4), peer,
              "json.dumps + SHA-256")  # fmt: skip


def ratios() -> Iterator[Fact]:
    spec = importlib.util.spec_from_file_location("hit_ratio", TESTS / "test_hit_ratio.py")
    assert spec is not None
    assert spec.loader is not None
    traces = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(traces)
    for name, size in traces.cases():
        keys = traces.trace(name)
        items = int(size) if size > 1 else max(1, int(len(set(keys)) * size))
        found, best = traces.ours(keys, items), traces.belady(keys, items)
        lru, tiny = traces.lru(keys, items), traces.tiny_lfu(keys, items)
        share = [100 * hits / len(keys) for hits in (found, lru, tiny, best)]
        text = "{:.1f} % (LRU {:.1f}, theine {:.1f}, optimum {:.1f})".format(*share)
        is_met = share[0] >= max(share[1], share[2]) - 1
        yield Fact(f"hits, {name}, {items} items", text, "≥ the better − 1", is_met)


def importing() -> Iterator[Row | Fact]:
    bare = imported("asyncio, json")
    yield Row("import infra_cache", imported("infra_cache"), at_most_times(1.6), bare,
              "import asyncio, json")  # fmt: skip
    code = "import sys, infra_cache; infra_cache.connect; print('redis' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = found.stdout.strip()
    yield Fact("redis loaded by it", loaded, "False", loaded == "False")


async def tidy() -> None:
    """Remove what the rows left on the server."""
    async with connect(URL, namespace=MINE) as cache:
        await cache.clear()


def main() -> None:
    """Print the table."""
    rows = [in_process(), in_process_async(), limiting(), answers(), importing(), on_redis(),
            stampedes(), ratios()]  # fmt: skip
    try:
        report("infra-cache", itertools.chain(*rows))
    finally:
        asyncio.run(tidy())


if __name__ == "__main__":
    main()
