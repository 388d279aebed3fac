"""The raw pool: one connection for many calls, never more than allowed, and what it reports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from infra_errors import Deadline, DeadlineExceededError
from infra_http.errors import (
    ConnectFailed,
    HttpConfigError,
    HttpInputError,
    PoolTimedOut,
    ReadFailed,
    ReadTimedOut,
    ResponseTooLarge,
    TotalTimedOut,
    WriteTimedOut,
)
from infra_http.pool import PoolLimits, UpstreamPool
from infra_http.raw_server import RawPeer, RawServer

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


async def get(pool: UpstreamPool, method: str = "GET", **options: Any) -> bytes:
    async with await pool.request(method, b"/", [], **options) as response:
        return await response.read()


async def silent(peer: RawPeer) -> None:
    """Read, and never answer."""
    while await peer.read():
        pass


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def test_a_response_has_a_status_headers_and_a_body() -> None:
    said = b"HTTP/1.1 201 Made it\r\nX-One: 1 \r\nx-one:\t2\r\ncontent-length: 5\r\n\r\nhello"
    async with RawServer(said) as server, UpstreamPool(server.url) as pool:
        response = await pool.request("GET", b"/a?b=c", [(b"accept", b"*/*")])
        assert (201, b"Made it", "1.1") == (response.status, response.reason, response.http_version)
        assert [(b"X-One", b"1"), (b"x-one", b"2"), (b"content-length", b"5")] == response.headers
        assert b"hello" == await response.read()
        host = f"127.0.0.1:{server.port}".encode()
        assert [b"GET /a?b=c HTTP/1.1\r\naccept: */*\r\nhost: " + host + b"\r\n\r\n"] == (
            server.received
        )


async def test_a_hundred_calls_in_a_row_use_one_connection() -> None:
    async with RawServer(OK) as server, UpstreamPool(server.url) as pool:
        assert [b"ok"] * 100 == [await get(pool) for _ in range(100)]
        assert 1 == server.connections
        stats = pool.stats()
        assert (0, 1, 0, 1) == (stats.in_use, stats.idle, stats.waiting, stats.opened)


@pytest.mark.parametrize("most", [1, 10])
async def test_two_hundred_calls_at_once_never_have_more_connections_than_allowed(
    most: int,
) -> None:
    async with (
        RawServer(OK) as server,
        UpstreamPool(
            server.url, limits=PoolLimits(max_connections=most, acquire_timeout=None)
        ) as pool,
    ):
        assert [b"ok"] * 200 == await asyncio.gather(*(get(pool) for _ in range(200)))
        assert most == server.connections == server.most_open
        assert 0 == pool.stats().in_use


async def test_no_free_connection_in_time_is_an_error_of_its_own() -> None:
    limits = PoolLimits(max_connections=1, acquire_timeout=0.01)
    async with RawServer(silent) as server, UpstreamPool(server.url, limits=limits) as pool:
        first = asyncio.ensure_future(get(pool))
        await _until(lambda: bool(server.peers))
        with pytest.raises(PoolTimedOut):
            await get(pool)
        assert (1, 0) == (pool.stats().in_use, pool.stats().waiting)
        first.cancel()
        await asyncio.wait([first])
        assert 0 == pool.stats().in_use


async def test_callers_are_served_in_the_order_in_which_they_came() -> None:
    order: list[int] = []

    async def call(number: int) -> None:
        await get(pool)
        order.append(number)

    limits = PoolLimits(max_connections=1)
    async with RawServer(OK) as server, UpstreamPool(server.url, limits=limits) as pool:
        await asyncio.gather(*(call(number) for number in range(20)))
    assert list(range(20)) == order


async def test_an_idle_connection_is_closed_after_its_time() -> None:
    limits = PoolLimits(keepalive_expiry=0.02)
    async with RawServer(OK) as server, UpstreamPool(server.url, limits=limits) as pool:
        await get(pool)
        assert 1 == pool.stats().idle
        await _until(lambda: not (server.open))
        assert 0 == pool.stats().idle
        await get(pool)
        assert 2 == server.connections


async def test_without_keepalive_each_call_has_its_own_connection() -> None:
    limits = PoolLimits(max_keepalive=0)
    async with RawServer(OK) as server, UpstreamPool(server.url, limits=limits) as pool:
        await get(pool)
        await get(pool)
        assert (2, 0) == (server.connections, pool.stats().idle)


async def test_the_surplus_of_a_burst_is_closed() -> None:
    limits = PoolLimits(max_keepalive=2)
    async with RawServer(OK) as server, UpstreamPool(server.url, limits=limits) as pool:
        await asyncio.gather(*(get(pool) for _ in range(10)))
        assert 10 == pool.stats().idle
        await _until(lambda: not (server.open > 2))
        assert 2 == pool.stats().idle == server.open


async def test_a_connection_serves_no_more_requests_than_it_may() -> None:
    limits = PoolLimits(max_requests_per_connection=3)
    async with RawServer(OK) as server, UpstreamPool(server.url, limits=limits) as pool:
        for _ in range(7):
            await get(pool)
        assert [3, 3, 1] == [data.count(b"GET /") for data in server.received]


async def test_bodies_are_sent_with_a_length_or_in_chunks() -> None:
    async with RawServer(OK) as server, UpstreamPool(server.url) as pool:
        await get(pool, "POST", body=b"abc")
        await get(pool, "POST", body=b"")
        await get(pool, "POST", body=pieces(b"abc", b"", b"de"))
        await get(pool, "POST", body=pieces(b"abc", b"de"), content_length=5)
        heads_and_bodies = server.received[0].replace(b"POST / HTTP/1.1\r\n", b"|").split(b"|")[1:]
        host = b"host: 127.0.0.1:%d\r\n" % server.port
        assert [
            host + b"content-length: 3\r\n\r\nabc",
            host + b"content-length: 0\r\n\r\n",
            host + b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
            host + b"content-length: 5\r\n\r\nabcde",
        ] == heads_and_bodies
        assert 1 == server.connections


async def test_a_large_body_arrives_in_whole_both_ways() -> None:
    body = bytes(range(256)) * 8192

    async def echo(peer: RawPeer) -> None:
        while request := await peer.request():
            data = request.partition(b"\r\n\r\n")[2]
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(data) + data)

    async with RawServer(echo) as server, UpstreamPool(server.url) as pool:
        assert body == await get(pool, "POST", body=body)
        assert body == await get(pool, "POST", body=pieces(body), content_length=len(body))


async def test_reading_pauses_where_nobody_takes_the_body() -> None:
    sent = 0
    done = asyncio.Event()

    async def flood(peer: RawPeer) -> None:
        nonlocal sent
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 67108864\r\n\r\n")
        for _ in range(1024):
            await peer.send(bytes(65536))
            sent += 65536
        done.set()
        await peer.read()

    limits = PoolLimits(read_high_water=65536)
    async with RawServer(flood) as server, UpstreamPool(server.url, limits=limits) as pool:
        response = await pool.request("GET", b"/", [])
        before = -1
        while before != sent:  # until both sides' buffers are full
            before = sent
            await asyncio.sleep(0.1)
        assert sent < 67108864
        assert response._size < 65536 + 262144 + 65536
        assert 67108864 == len(await response.read())
        assert done.is_set()


async def test_a_body_that_is_too_long_is_not_read_on() -> None:
    async with RawServer(OK) as server, UpstreamPool(server.url) as pool:
        response = await pool.request("GET", b"/", [])
        with pytest.raises(ResponseTooLarge):
            await response.read(1)
        assert b"ok" == await (await pool.request("GET", b"/", [])).read(2)


async def test_a_response_that_is_not_read_to_its_end_ends_its_connection() -> None:
    async def half(peer: RawPeer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello")
        await peer.read()

    async with RawServer([half, OK]) as server, UpstreamPool(server.url) as pool:
        response = await pool.request("GET", b"/", [])
        assert b"hello" == await anext(response)
        assert 1 == pool.stats().in_use
        await response.aclose()
        await response.aclose()
        assert (0, 0) == (pool.stats().in_use, pool.stats().idle)
        with pytest.raises(ReadFailed, match="closed before its end"):
            await anext(response)
        assert b"ok" == await get(pool)
        assert 2 == server.connections


async def test_an_answer_that_does_not_come_times_out() -> None:
    async with RawServer(silent) as server, UpstreamPool(server.url, read_timeout=0.02) as pool:
        with pytest.raises(ReadTimedOut) as caught:
            await get(pool)
        assert isinstance(caught.value, DeadlineExceededError)
        assert 0 == pool.stats().in_use


async def test_who_takes_over_a_connection_has_a_read_timeout_of_its_own() -> None:
    async def once(peer: RawPeer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.until(b"never")

    limits = PoolLimits(max_connections=1)
    async with RawServer(once) as server:
        async with UpstreamPool(server.url, limits=limits, read_timeout=0.2) as pool:
            first, second = asyncio.ensure_future(get(pool)), asyncio.ensure_future(get(pool))
            async with asyncio.timeout(10):
                assert b"ok" == await first
                with pytest.raises(ReadTimedOut):
                    await second
        assert 1 == server.connections


async def test_a_head_that_drips_times_out_in_the_time_of_a_head() -> None:
    async def drip(peer: RawPeer) -> None:
        await peer.request()
        for byte in b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000:
            await peer.send(bytes([byte]))
            await asyncio.sleep(0.005)

    async with RawServer(drip) as server, UpstreamPool(server.url, read_timeout=0.1) as pool:
        with pytest.raises(ReadTimedOut):
            await get(pool)


async def test_each_piece_of_a_body_has_the_read_timeout_for_itself() -> None:
    async def slowly(peer: RawPeer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n")
        for _ in range(9):
            await asyncio.sleep(0.05)
            await peer.send(b"x")
        await peer.read()

    async with RawServer(slowly) as server, UpstreamPool(server.url, read_timeout=0.3) as pool:
        response = await pool.request("GET", b"/", [])
        got = b""
        with pytest.raises(ReadTimedOut):
            async for chunk in response:
                got += chunk
        assert b"x" * 9 == got  # 0.45 s in all, and then one wait too long


async def test_a_deadline_covers_head_body_and_the_wait_for_a_connection() -> None:
    async def endless(peer: RawPeer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
        while True:
            await peer.send(b"x")
            await asyncio.sleep(0.005)

    limits = PoolLimits(max_connections=1)
    async with RawServer([endless, silent]) as server, UpstreamPool(server.url, limits=limits) as p:
        response = await p.request("GET", b"/", [], deadline=Deadline.after(0.1))
        with pytest.raises(TotalTimedOut):
            await get(p, deadline=Deadline.after(0.01))
        with pytest.raises(TotalTimedOut):
            await response.read()
        with pytest.raises(TotalTimedOut):
            await get(p, deadline=Deadline.after(0.05))
        with pytest.raises(TotalTimedOut):
            await get(p, deadline=Deadline.after(0))
        assert 0 == p.stats().in_use


async def test_who_takes_no_bytes_times_out_the_write() -> None:
    async def deaf(peer: RawPeer) -> None:
        peer._reader._transport.pause_reading()  # type: ignore[attr-defined]  # nothing is taken
        await asyncio.sleep(3600)

    async with RawServer(deaf) as server, UpstreamPool(server.url, write_timeout=0.05) as pool:
        with pytest.raises(WriteTimedOut):
            await get(pool, "POST", body=bytes(50_000_000))
        with pytest.raises(WriteTimedOut):
            await get(pool, "POST", body=pieces(*[bytes(1_000_000)] * 50))
        assert 0 == pool.stats().in_use


async def test_an_error_in_the_body_is_the_callers_and_ends_the_connection() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"abc"
        raise KeyError("mine")

    async with RawServer(silent) as server, UpstreamPool(server.url) as pool:
        with pytest.raises(KeyError, match="mine"):
            await get(pool, "POST", body=broken())
        assert (0, 0) == (pool.stats().in_use, pool.stats().idle)


@pytest.mark.parametrize(("length", "what"), [(2, "longer"), (4, "shorter")])
async def test_a_body_in_pieces_is_as_long_as_was_said(length: int, what: str) -> None:
    async with RawServer(silent) as server, UpstreamPool(server.url) as pool:
        with pytest.raises(HttpInputError, match=what):
            await get(pool, "POST", body=pieces(b"ab", b"c"), content_length=length)
        await _until(lambda: not (not server.peers or server.open))
        assert server.received[0].endswith(b"\r\n\r\nab" if length == 2 else b"\r\n\r\nabc")
        assert (0, 0) == (pool.stats().in_use, pool.stats().idle)


async def test_closing_ends_what_is_under_way_and_takes_no_more() -> None:
    limits = PoolLimits(max_connections=1)
    async with RawServer(silent) as server, UpstreamPool(server.url, limits=limits) as pool:
        calls = [asyncio.ensure_future(get(pool)) for _ in range(2)]
        await _until(lambda: not (not server.peers or not server.peers[0].received))
        await pool.aclose()
        await pool.aclose()
        first, second = await asyncio.gather(*calls, return_exceptions=True)
        assert isinstance(first, ReadFailed)
        assert isinstance(second, ConnectFailed | HttpInputError)
        with pytest.raises(HttpInputError, match="closed"):
            await get(pool)


async def test_ping_returns_where_a_connection_can_be_had_and_raises_where_not() -> None:
    async with RawServer(OK) as server:
        pool = UpstreamPool(server.url)
        await pool.ping()
        assert (0, 1) == (pool.stats().in_use, pool.stats().idle)
        await get(pool)
        assert 1 == server.connections
        await pool.aclose()
    async with UpstreamPool(server_url := f"http://127.0.0.1:{_unused()}") as pool:
        assert server_url
        with pytest.raises(ConnectFailed):
            await pool.ping()
        assert 0 == pool.stats().in_use


def _unused() -> int:
    import socket

    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


async def test_a_name_that_does_not_exist_is_a_failure_to_connect() -> None:
    async with UpstreamPool("http://does-not-exist.invalid") as pool:
        with pytest.raises(ConnectFailed, match="does-not-exist"):
            await pool.ping()


@pytest.mark.parametrize(
    "origin",
    ["ftp://a", "http://", "http://a/b", "http://a?b", "http://user:secret@a", "a", ""],
    ids=["scheme", "no host", "path", "query", "userinfo", "word", "nothing"],
)
def test_what_is_no_origin_is_refused(origin: str) -> None:
    with pytest.raises(HttpConfigError) as caught:
        UpstreamPool(origin)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "limits",
    [{"max_connections": 0}, {"max_keepalive": -1}, {"max_headers": 0}, {"read_high_water": "1"},
     {"keepalive_expiry": -1}, {"acquire_timeout": float("nan")}, {"max_connections": True}],
    ids=["no connection", "keepalive", "headers", "text", "expiry", "nan", "bool"],
)  # fmt: skip
def test_limits_that_are_none_are_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(HttpConfigError, match=next(iter(limits))):
        PoolLimits(**limits)


def test_a_pool_works_in_one_loop_after_another_but_not_in_two() -> None:
    pools: list[UpstreamPool] = []

    async def first() -> None:
        async with RawServer(OK) as server:
            pools.append(UpstreamPool(server.url))
            await get(pools[0])

            def elsewhere() -> None:
                with pytest.raises(HttpConfigError, match="one event loop"):
                    asyncio.run(get(pools[0]))

            await asyncio.to_thread(elsewhere)
            for conn in list(pools[0]._all):
                conn.abort()
            await asyncio.sleep(0.01)

    async def closing() -> None:
        pools[0]._all.add(None)  # type: ignore[arg-type]  # of the ended loop: not to be touched
        await pools[0].aclose()
        assert not pools[0]._all
        pools[0]._closed = False

    async def second() -> None:
        with pytest.raises(ConnectFailed):
            await get(pools[0])
        assert 0 == pools[0].stats().in_use
        await pools[0].aclose()

    asyncio.run(first())
    asyncio.run(closing())
    asyncio.run(second())


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.001)
