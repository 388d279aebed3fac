"""Cancelled at any await, once or twice: no slot is lost, no connection is left in between."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from infra_http.errors import PoolTimedOut
from infra_http.pool import PoolLimits, UpstreamPool
from infra_http.raw_server import RawPeer, RawServer

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
SLOTS = 5


async def get(pool: UpstreamPool, body: Any = None) -> bytes:
    response = await pool.request("POST" if body else "GET", b"/", [], body)
    return await response.read()


async def in_pieces(peer: RawPeer) -> None:
    """Answer so that there are many awaits to be cancelled at."""
    while await peer.request():
        for piece in (b"HTTP/1.1 200 OK\r\n", b"content-length: 4\r\n\r\n", b"he", b"re"):
            await peer.send(piece)
            await asyncio.sleep(0)


async def pieces() -> AsyncIterator[bytes]:
    for _ in range(3):
        yield b"x"
        await asyncio.sleep(0)


async def test_ten_thousand_cancelled_calls_lose_no_slot() -> None:
    chance = random.Random(1)
    ended = {"cancelled": 0, "answered": 0}

    async def one(pool: UpstreamPool) -> None:
        call = asyncio.ensure_future(get(pool, pieces() if chance.random() < 0.2 else None))
        for _ in range(chance.randrange(12)):
            await asyncio.sleep(0)
        call.cancel()
        if chance.random() < 0.3:
            await asyncio.sleep(0)
            call.cancel()
        await asyncio.wait([call])
        ended["cancelled" if call.cancelled() else "answered"] += 1

    limits = PoolLimits(max_connections=SLOTS, acquire_timeout=None)
    async with RawServer(in_pieces) as server, UpstreamPool(server.url, limits=limits) as pool:
        for _ in range(100):
            await asyncio.gather(*(one(pool) for _ in range(100)))
        stats = pool.stats()
        assert (0, 0) == (stats.in_use, stats.waiting)
        assert stats.idle <= SLOTS
        assert 10_000 == sum(ended.values())
        assert ended["cancelled"] > 5_000
        assert [b"here"] * 50 == await asyncio.gather(*(get(pool) for _ in range(50)))
        await _until(lambda: not (server.open > SLOTS))


@pytest.mark.parametrize("twice", [False, True], ids=["once", "twice"])
@pytest.mark.parametrize("with_body", [False, True], ids=["no body", "body in pieces"])
async def test_cancelled_at_every_single_await_under_a_full_pool(
    twice: bool, with_body: bool
) -> None:
    limits = PoolLimits(max_connections=1, acquire_timeout=None)
    async with RawServer(in_pieces) as server, UpstreamPool(server.url, limits=limits) as pool:
        for steps in range(60):
            other = asyncio.ensure_future(get(pool))
            call = asyncio.ensure_future(get(pool, pieces() if with_body else None))
            for _ in range(steps):
                await asyncio.sleep(0)
            call.cancel()
            if twice:
                await asyncio.sleep(0)
                call.cancel()
            assert b"here" == await other
            await asyncio.wait([call])
            assert (0, 0) == (pool.stats().in_use, pool.stats().waiting)


async def test_a_waiter_that_is_cancelled_as_it_is_handed_a_slot_passes_it_on() -> None:
    limits = PoolLimits(max_connections=1, acquire_timeout=None)
    async with RawServer(OK) as server, UpstreamPool(server.url, limits=limits) as pool:
        response = await pool.request("GET", b"/", [])
        await response.read()
        conn = pool._slots.take(pool)
        assert conn is not None
        waiting = [asyncio.ensure_future(get(pool)) for _ in range(2)]
        await _until(lambda: not (pool.stats().waiting < 2))
        pool.give(conn, clean=True)  # to the first, which has not yet run
        waiting[0].cancel()
        assert b"ok" == await waiting[1]
        assert waiting[0].cancelled()
        assert (0, 1, 1) == (pool.stats().in_use, pool.stats().idle, server.connections)


async def test_a_connection_that_dies_on_its_way_to_a_waiter_is_replaced() -> None:
    limits = PoolLimits(max_connections=1, acquire_timeout=None)
    async with RawServer(OK) as server, UpstreamPool(server.url, limits=limits) as pool:
        await get(pool)
        conn = pool._slots.take(pool)
        assert conn is not None
        waiting = asyncio.ensure_future(get(pool))
        await _until(lambda: bool(pool.stats().waiting))
        pool.give(conn, clean=True)
        conn.abort()
        assert b"ok" == await waiting
        assert 2 == server.connections


async def test_a_wait_that_times_out_or_is_cancelled_leaves_nothing_behind() -> None:
    limits = PoolLimits(max_connections=1, acquire_timeout=0.01)

    async def silent(peer: RawPeer) -> None:
        while await peer.read():
            pass

    async with RawServer(silent) as server, UpstreamPool(server.url, limits=limits) as pool:
        holder = asyncio.ensure_future(get(pool))
        await _until(lambda: bool(server.peers))
        results = await asyncio.gather(*(get(pool) for _ in range(20)), return_exceptions=True)
        assert all(isinstance(result, PoolTimedOut) for result in results)
        assert (1, 0) == (pool.stats().in_use, pool.stats().waiting)
        holder.cancel()
        await asyncio.wait([holder])
        assert 0 == pool.stats().in_use


async def test_cancelled_while_reading_the_body_closes_the_connection() -> None:
    async def half(peer: RawPeer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello")
        await peer.read()

    async with RawServer([half, OK]) as server, UpstreamPool(server.url) as pool:
        response = await pool.request("GET", b"/", [])
        reading = asyncio.ensure_future(response.read())
        await asyncio.sleep(0.01)
        reading.cancel()
        await asyncio.wait([reading])
        assert (0, 0) == (pool.stats().in_use, pool.stats().idle)
        assert b"ok" == await get(pool)
        await _until(lambda: not (server.open > 1))


async def test_cancelled_while_connecting_closes_the_socket(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = asyncio.get_running_loop()
    seen: list[Any] = []

    async def never(sock: Any, address: Any) -> None:
        seen.append(sock)
        await asyncio.sleep(3600)

    async with UpstreamPool("http://127.0.0.1:9") as pool:
        with monkeypatch.context() as patch:
            patch.setattr(loop, "sock_connect", never)
            call = asyncio.ensure_future(get(pool))
            await _until(lambda: bool(seen))
            call.cancel()
            await asyncio.wait([call])
        assert -1 == seen[0].fileno()
        assert 0 == pool.stats().in_use


async def test_a_cancellation_in_the_body_reaches_its_generator() -> None:
    closed: list[str] = []

    async def body() -> AsyncIterator[bytes]:
        try:
            yield b"x"
            await asyncio.sleep(3600)
        finally:
            closed.append("yes")

    def begun() -> bool:
        return bool(server.peers) and server.peers[0].received.endswith(b"1\r\nx\r\n")

    async with RawServer(lambda peer: peer.until(b"never")) as server:
        async with UpstreamPool(server.url) as pool:
            call = asyncio.ensure_future(get(pool, body()))
            await _until(lambda: pool.stats().in_use == 1)
            await asyncio.sleep(0.01)
            call.cancel()
            await asyncio.wait([call])
            assert ["yes"] == closed
            assert 0 == pool.stats().in_use


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.001)
