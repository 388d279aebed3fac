"""What goes wrong between a cache and its Redis server, done for real."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import pytest

from infra_cache import (
    CacheSettings,
    CacheTimeout,
    CacheUnavailable,
    LockLost,
    OutcomeUnknown,
    Rate,
    RateLimiter,
    RedisCache,
    connect,
)
from infra_errors import CacheError, RetryPolicy, Secret, ValidationError

pytest.importorskip("redis")

from redis.asyncio import Redis  # after the check that it is there

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from infra_sim.servers import Server

pytestmark = pytest.mark.server("redis")
ONCE = RetryPolicy(attempts=1)


class Proxy:
    """A proxy on loopback that can hold back or cut what the server answers."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname, parts.port or 6379)
        self.cut_replies = self.hold_replies = False
        self.accepted = 0
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"redis://127.0.0.1:{port}/0"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def cut(self) -> None:
        for writer in self._writers:
            writer.close()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        up_reader, up_writer = await asyncio.open_connection(*self._target)
        self._writers += [writer, up_writer]
        for source, sink, is_reply in ((reader, up_writer, False), (up_reader, writer, True)):
            task = asyncio.create_task(self._pump(source, sink, is_reply))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, is_reply: bool
    ) -> None:
        try:
            while data := await source.read(65536):
                if is_reply and self.cut_replies:
                    break
                while is_reply and self.hold_replies:  # noqa: ASYNC110  # a test's switch
                    await asyncio.sleep(0.01)
                sink.write(data)
                await sink.drain()
        except OSError:
            pass
        finally:
            sink.close()


@pytest.fixture
async def proxy(redis_url: str) -> AsyncIterator[Proxy]:
    async with Proxy(redis_url) as proxy:
        yield proxy


@pytest.fixture
async def raw(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        yield client


# ---- cancelled, cut, killed --------------------------------------------------------------------


async def test_after_a_thousand_cancelled_calls_every_value_matches_its_key(
    redis_url: str, namespace: str
) -> None:
    rng = random.Random(7)
    async with connect(redis_url, namespace=namespace) as cache:
        keys = [f"k{n}" for n in range(50)]
        await cache.set_many({key: key for key in keys})
        calls: list[Callable[[str], Awaitable[Any]]] = [
            cache.get,
            cache.exists,
            lambda key: cache.set(key, key),
            lambda key: cache.get_many([key]),
        ]
        cancelled = 0
        for _ in range(1000):
            key = rng.choice(keys)
            task = asyncio.ensure_future(rng.choice(calls)(key))
            for _ in range(rng.randrange(8)):
                await asyncio.sleep(0)
            cancelled += task.cancel()
            await asyncio.wait([task])
            if rng.random() < 0.1:
                assert key == await cache.get(key)
        assert cancelled > 500
        found = await asyncio.gather(*(cache.get(key) for key in keys))
        assert keys == found
        assert {key: key for key in keys} == await cache.get_many(keys)


async def test_a_counter_cut_off_after_it_was_sent_is_reported_and_not_repeated(
    proxy: Proxy, redis_url: str, namespace: str
) -> None:
    async with (
        connect(proxy.url, namespace=namespace) as cut,
        connect(redis_url, namespace=namespace) as sure,
    ):
        assert await cut.increment("n") == 1
        proxy.cut_replies = True
        with pytest.raises(OutcomeUnknown) as caught:
            await cut.increment("n")
        assert (False, "cache.outcome_unknown") == (caught.value.retryable, caught.value.code)
        assert 2 == await sure.get("n")  # it happened, once
        proxy.cut_replies = False
        assert await cut.increment("n") == 3


@pytest.mark.parametrize("name", ["set_nx", "take", "cas", "guard", "limit"])
async def test_no_step_that_must_not_be_repeated_is(
    name: str, proxy: Proxy, namespace: str
) -> None:
    async with connect(proxy.url, namespace=namespace) as cache:
        await cache.set("v", 1)
        await cache.guard_set("g", b"x" * 32, attempts=3, ttl=60)
        limiter = RateLimiter(cache, Rate(3, 60), name="t")
        steps: dict[str, Callable[[], Awaitable[Any]]] = {
            "set_nx": lambda: cache.set_nx("free", 1, ttl=60),
            "take": lambda: cache.take("v"),
            "cas": lambda: cache._store.cas(f"{namespace}:v", b"1", b"2", None),
            "guard": lambda: cache.guard_check("g", b"y" * 32),
            "limit": lambda: limiter.hit("k"),
        }
        await cache.ping()
        proxy.cut_replies = True
        with pytest.raises(OutcomeUnknown):
            await steps[name]()
        proxy.cut_replies = False


async def test_an_idempotent_call_is_repeated_when_its_connection_breaks(
    proxy: Proxy, namespace: str
) -> None:
    async with connect(proxy.url, namespace=namespace) as cache:
        await cache.set("a", 1)
        for _ in range(5):
            proxy.cut()
            assert await cache.get("a") == 1


async def test_a_restarted_server_is_found_again_by_every_pooled_connection(
    private_server: Callable[[str], Awaitable[Server]],
) -> None:
    server = await private_server("redis")
    patient = RetryPolicy(attempts=8, base=0.3, deadline=None)
    async with connect(server.url, retry=patient) as cache:
        await asyncio.gather(*(cache.get(f"k{n}") for n in range(20)))  # five connections
        restart = asyncio.create_task(server.restart())
        errors: list[CacheError] = []
        counted = 0
        for n in range(1000):
            await cache.get(f"k{n}")
            if n % 100 == 0:
                try:
                    await cache.increment("n")
                    counted += 1
                except (OutcomeUnknown, CacheUnavailable) as error:
                    errors.append(error)
        await restart
        assert counted + len(errors) == 10
        assert await cache.get("n", 0) <= counted + len(errors)
        await asyncio.gather(*(cache.set(f"k{n}", n) for n in range(20)))


async def test_a_killed_server_is_an_error_at_once_and_the_breaker_spares_the_next(
    private_server: Callable[[str], Awaitable[Server]],
) -> None:
    server = await private_server("redis")
    async with connect(server.url, retry=ONCE) as cache:
        await cache.set("a", 1)
        await server.kill()
        for _ in range(6):
            with pytest.raises(CacheUnavailable):
                await cache.get("a")
        with pytest.raises(CacheUnavailable) as caught:
            await cache.get("a")
        assert "cache.breaker_open" == caught.value.code
        assert not (await cache.health()).ok
        loads = 0

        async def load() -> int:
            nonlocal loads
            loads += 1
            return 7

        assert await cache.get_or_load("a", load) == 7  # a cache that is down is a miss
        with pytest.raises(CacheUnavailable):
            await cache.get_or_load("a", load, on_error="raise")
        assert 1 == loads
        limiter = RateLimiter(cache, Rate(1, 60), name="t")
        with pytest.raises(CacheUnavailable):
            await limiter.hit("k")
        assert (await RateLimiter(cache, Rate(1, 60), name="t", on_error="allow").hit("k")).allowed
        denied = await RateLimiter(cache, Rate(1, 60), name="t", on_error="deny").hit("k")
        assert (False, True) == (denied.allowed, denied.retry_after > 0)
        await server.restart()
        await asyncio.sleep(2.1)  # the breaker probes again
        for _ in range(4):
            await cache.get("a")


async def test_a_server_that_hangs_is_a_timeout(proxy: Proxy, namespace: str) -> None:
    async with connect(proxy.url, namespace=namespace, timeout=0.2) as cache:
        await cache.set("a", 1)
        proxy.hold_replies = True
        started = time.monotonic()
        with pytest.raises(CacheTimeout):
            await cache.get("a")
        assert time.monotonic() - started < 1.5
        proxy.hold_replies = False
        assert await cache.get("a") == 1  # on a new connection: no old reply is taken for it


async def test_fifty_calls_share_five_connections_and_who_waits_too_long_is_told(
    proxy: Proxy, namespace: str, raw: Redis
) -> None:
    async with connect(proxy.url, namespace=namespace, timeout=0.3) as cache:
        await asyncio.gather(*(cache.get(f"k{n}") for n in range(50)))
        assert proxy.accepted <= 5
        proxy.hold_replies = True
        ends = await asyncio.gather(
            *(cache.get(f"k{n}") for n in range(50)), return_exceptions=True
        )
        codes = {getattr(end, "code", None) for end in ends}
        assert "cache.pool_exhausted" in codes or "cache.timeout" in codes
        assert codes <= {"cache.pool_exhausted", "cache.timeout", "cache.breaker_open"}
        proxy.hold_replies = False


# ---- what the server is asked --------------------------------------------------------------------


async def test_the_server_sees_no_keys_command_and_no_key_without_an_end(
    redis_url: str, namespace: str, raw: Redis
) -> None:
    async with raw.monitor() as monitor, connect(redis_url, namespace=namespace) as cache:

        async def load() -> int:
            return 1

        await cache.set("a", 1, tags=["t"])
        await cache.get_or_load("b", load, tags=["t"], stale=5, across=True)
        await cache.increment("n")
        await cache.guard_set("g", b"x" * 32, attempts=3, ttl=60)
        await cache.index_add("i", "m", ttl=60)
        await RateLimiter(cache, Rate(5, 60), name="l").hit("k")
        await RateLimiter(cache, Rate(5, 60), name="l", algorithm="sliding_window").hit("k")
        async with cache.lock("l"):
            pass
        await cache.delete_pattern("zzz*")
        left = [await raw.pttl(key) async for key in raw.scan_iter(f"{namespace}*", count=1000)]
        assert len(left) >= 9
        assert all(ttl > 0 for ttl in left)
        await raw.ping()
        seen = []
        while not seen or seen[-1] != "PING":
            seen.append((await monitor.next_command())["command"])
        assert not any(command.upper().startswith(("KEYS ", "FLUSH")) for command in seen)


async def test_plain_values_are_plain_json_text(redis_url: str, namespace: str, raw: Redis) -> None:
    async with connect(redis_url, namespace=namespace) as cache:
        await cache.set("a", {"b": [1, "ü"]})
        assert b'{"b":[1,"\xc3\xbc"]}' == await raw.get(f"{namespace}:a")
        await raw.set(f"{namespace}:pickled", b"\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00K\x07.")
        await raw.set(f"{namespace}:text", b"not json")
        for key in ("pickled", "text"):
            assert await cache.get(key, "miss") == "miss"
        assert 2 == cache.stats.undecodable


async def test_two_clients_whose_clocks_differ_agree_on_time(
    redis_url: str, namespace: str
) -> None:
    """Time to live, staleness, locks and limits are the server's business."""
    ahead = connect(redis_url, namespace=namespace, clock=lambda: time.time() + 3600)
    behind = connect(redis_url, namespace=namespace, clock=lambda: time.time() - 3600)
    loads = 0

    async def load() -> int:
        nonlocal loads
        loads += 1
        return loads

    async with ahead, behind:
        assert await ahead.get_or_load("a", load, ttl=60, stale=60) == 1
        assert await behind.get_or_load("a", load, ttl=60, stale=60) == 1
        assert (1, 0) == (loads, behind.stats.stale_hits)
        async with behind.lock("l", ttl=5) as first:
            with pytest.raises(CacheError):
                async with ahead.lock("l", wait=0):
                    pytest.fail("the lock was held")
            token = first.fencing_token
        async with ahead.lock("l") as second:
            assert second.fencing_token > token
        one, two = (RateLimiter(cache, Rate(2, 60), name="x") for cache in (ahead, behind))
        assert [True, True, False] == [(await it.hit("k")).allowed for it in (one, two, one)]


async def test_fencing_tokens_grow_though_the_server_lost_its_data(
    private_server: Callable[[str], Awaitable[Server]],
) -> None:
    server = await private_server("redis")
    async with connect(server.url, retry=RetryPolicy(attempts=10, base=0.2)) as cache:
        async with cache.lock("l") as lock:
            before = lock.fencing_token
        await server.kill()
        await server.restart()
        async with cache.lock("l") as lock:
            assert lock.fencing_token > before


async def test_a_lock_that_the_server_forgot_is_lost(
    redis_url: str, namespace: str, raw: Redis
) -> None:
    async with connect(redis_url, namespace=namespace) as cache:
        with pytest.raises(LockLost):
            async with cache.lock("l", ttl=0.3) as lock:
                async for key in raw.scan_iter(f"{namespace}*"):
                    await raw.delete(key)
                async with asyncio.timeout(2):
                    await lock.lost.wait()


# ---- how to reach it ---------------------------------------------------------------------------


async def test_a_redis_py_client_lends_its_address(
    redis_url: str, namespace: str, raw: Redis
) -> None:
    async with RedisCache(raw, namespace=namespace) as cache:
        await cache.set("a", b"\x00\xff")
        assert await cache.get("a") == b"\x00\xff"
    await raw.ping()  # which stays open


async def test_a_wrong_password_is_refused_and_shown_nowhere(
    private_server: Callable[[str], Awaitable[Server]],
) -> None:
    server = await private_server("redis")
    port = urlsplit(server.url).port or 0
    async with Redis.from_url(server.url) as client:
        await client.acl_setuser(
            "app", enabled=True, passwords=["+hunter2"], keys=["*"], categories=["+@all"]
        )
    settings = CacheSettings(
        host="127.0.0.1", port=port, username="app", password=Secret("hunter2")
    )
    async with connect(settings) as cache:
        await cache.set("a", 1)
    wrong = connect(f"redis://app:hunter3@127.0.0.1:{port}")
    with pytest.raises(CacheUnavailable) as caught:
        await wrong.ping()
    assert not caught.value.retryable
    shown = f"{caught.value} {caught.value!r} {wrong!r} {settings!r} {caught.value.to_dict()}"
    assert "hunter" not in shown
    await wrong.aclose()


async def test_clear_without_a_namespace_is_refused_on_a_shared_server(redis_url: str) -> None:
    async with connect(redis_url) as cache:
        with pytest.raises(ValidationError):
            await cache.clear()


async def test_a_server_that_may_evict_anything_is_told_of(
    private_server: Callable[[str], Awaitable[Server]],
) -> None:
    server = await private_server("redis")
    async with Redis.from_url(server.url) as client, connect(server.url) as cache:
        assert () == (await cache.health()).warnings
        await client.config_set("maxmemory-policy", "allkeys-lru")
        assert "allkeys" in (await cache.health()).warnings[0]


async def test_one_of_several_processes_loads_a_cold_key(redis_url: str, namespace: str) -> None:
    loads = 0

    async def load() -> int:
        nonlocal loads
        loads += 1
        await asyncio.sleep(0.1)
        return loads

    async with (
        connect(redis_url, namespace=namespace) as one,
        connect(redis_url, namespace=namespace) as two,
    ):
        found = await asyncio.gather(
            *(cache.get_or_load("a", load, across=True) for cache in (one, two) * 100)
        )
        assert [1] * 200 == found
        assert 1 == loads


async def test_a_value_that_cannot_be_stored_is_returned(proxy: Proxy, namespace: str) -> None:
    async with connect(proxy.url, namespace=namespace, retry=ONCE) as cache:

        async def load() -> int:
            proxy.cut_replies = True
            return 5

        assert await cache.get_or_load("a", load) == 5
        assert 1 == cache.stats.errors


@pytest.mark.parametrize("moment", [0.0, 0.002, 0.005, 0.01, 0.02, 0.04])
async def test_the_first_caller_may_leave_at_any_moment_and_it_stays_one_load(
    redis_url: str, namespace: str, moment: float
) -> None:
    """Even while the others are still reading, and nobody but it waits for the load."""
    async with connect(redis_url, namespace=namespace) as cache:
        loads = 0

        async def load() -> int:
            nonlocal loads
            loads += 1
            await asyncio.sleep(0.1)
            return loads

        callers = [asyncio.create_task(cache.get_or_load("a", load)) for _ in range(200)]
        await asyncio.sleep(moment)
        callers[0].cancel()
        ends = await asyncio.gather(*callers, return_exceptions=True)
        assert [1] * 199 == ends[1:]
        assert {} == cache._core.asking


# ---- other processes -----------------------------------------------------------------------------

PURE = """
import asyncio, sys
sys.modules["hiredis"] = None
from infra_cache import connect

async def main():
    async with connect(sys.argv[1], namespace=sys.argv[2]) as cache:
        await cache.set_many({"a": {"b": [1.5, None]}, "c": b"\\x00\\xff\\r\\n"})
        print(await cache.get_many(["a", "c"]), await cache.increment("n"), await cache.take("a"))

asyncio.run(main())
"""

HIT = """
import asyncio, sys
from infra_cache import Rate, RateLimiter, connect

async def main():
    async with connect(sys.argv[1], namespace=sys.argv[2]) as cache:
        limiter = RateLimiter(cache, Rate(50, 60), name="t", algorithm=sys.argv[3])
        hits = await asyncio.gather(*(limiter.hit("k") for _ in range(40)))
        print(sum(hit.allowed for hit in hits))

asyncio.run(main())
"""


@pytest.mark.subprocess
async def test_without_hiredis_the_results_are_the_same(redis_url: str, namespace: str) -> None:
    command = [sys.executable, "-c", PURE, redis_url, namespace]
    run = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, check=False
    )
    assert "" == run.stderr
    assert (
        "{'a': {'b': [1.5, None]}, 'c': b'\\x00\\xff\\r\\n'} 1 {'b': [1.5, None]}\n" == run.stdout
    )


@pytest.mark.subprocess
@pytest.mark.parametrize("algorithm", ["gcra", "sliding_window"])
async def test_four_processes_together_keep_to_one_limit(
    redis_url: str, namespace: str, algorithm: str
) -> None:
    command = [sys.executable, "-c", HIT, redis_url, namespace, algorithm]
    running = [
        await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        for _ in range(4)
    ]
    said = [(await process.communicate())[0] for process in running]
    allowed = sum(int(text) for text in said)
    # A bucket refills one each 1.2 s while the four start; a window does not.
    assert 50 <= allowed <= (50 if algorithm == "sliding_window" else 56)
