"""When a connection is used again, when it is closed, and what is done about it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from infra_http.errors import (
    HttpInputError,
    ProtocolFailed,
    ReadFailed,
    ReadTimedOut,
    WriteFailed,
)
from infra_http.pool import PoolLimits, UpstreamPool
from infra_http.raw_server import RawPeer, RawServer

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
START = b"HTTP/1.1 200 OK\r\n"
CHUNKED = START + b"transfer-encoding: chunked\r\n\r\n"


async def get(pool: UpstreamPool, method: str = "GET", **options: Any) -> bytes:
    async with await pool.request(method, b"/", [], **options) as response:
        return await response.read()


def once(*parts: bytes, then: str = "read") -> Any:
    """Answer one request with these bytes, one write each, and then do this."""

    async def script(peer: RawPeer) -> None:
        await peer.request()
        for part in parts:
            await peer.send(part)
            await asyncio.sleep(0.002)
        if then == "reset":
            peer.reset()
        elif then == "half_close":
            await peer.half_close()
            await peer.read()
        elif then == "read":
            await peer.read()

    return script


# ---- kept or not ---------------------------------------------------------------------------------

KEPT = {
    "a length": OK,
    "a length of nothing": START + b"content-length: 0\r\n\r\n",
    "chunks": CHUNKED + b"2\r\nok\r\n0\r\n\r\n",
    "chunks with extensions and trailers": CHUNKED + b"2;a=b\r\nok\r\n0\r\nx: y\r\n\r\n",
    "compressed chunks": START + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "204 with a length": b"HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n",
    "304 with a length": b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n",
    "1.0 that stays": b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 0\r\n\r\n",
    "after interim responses": b"HTTP/1.1 103 Hints\r\nlink: x\r\n\r\n" * 8 + OK,
}
CLOSED = {
    "it says close": START + b"connection: close\r\ncontent-length: 2\r\n\r\nok",
    "it says close among others": START + b"connection: x, Close\r\ncontent-length: 0\r\n\r\n",
    "1.0": b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
    "a second response": OK + OK,
    "a body that 204 has not": b"HTTP/1.1 204 No Content\r\ncontent-length: 2\r\n\r\nok",
    "a body that 304 has not": b"HTTP/1.1 304 Not Modified\r\ncontent-length: 2\r\n\r\nok",
    "a byte too many": OK + b"!",
    "a line too many": OK + b"\r\n",
    "a line after chunks": CHUNKED + b"0\r\n\r\n\r\n",
    "half a line after chunks": CHUNKED + b"0\r\n\r\n\r",
    "a line after a head": START + b"content-length: 0\r\n\r\n\r\n",
    "words after chunks": CHUNKED + b"0\r\n\r\nHTTP/1.1 200 OK\r\n",
}


@pytest.mark.parametrize("what", KEPT)
async def test_a_connection_is_kept_after(what: str) -> None:
    async with RawServer(KEPT[what]) as server, UpstreamPool(server.url, read_timeout=5) as pool:
        bodies = [await get(pool) for _ in range(3)]
        assert bodies in ([b""] * 3, [b"ok"] * 3)
        assert 1 == server.connections
        assert 1 == pool.stats().idle


@pytest.mark.parametrize("what", CLOSED)
async def test_a_connection_is_closed_after(what: str) -> None:
    async with (
        RawServer([CLOSED[what], OK]) as server,
        UpstreamPool(server.url, read_timeout=5) as pool,
    ):
        assert await get(pool) in {b"", b"ok"}
        assert (0, 0) == (pool.stats().in_use, pool.stats().idle)
        assert b"ok" == await get(pool)
        assert 2 == server.connections
        async with asyncio.timeout(10):
            await _until(lambda: server.open == 1)


HEADS = {
    "a length": (b"content-length: 5\r\n\r\n", True),
    "nothing": (b"\r\n", True),
    "chunks": (b"transfer-encoding: chunked\r\n\r\n", True),
    "close": (b"content-length: 5\r\nconnection: close\r\n\r\n", False),
    "a body": (b"content-length: 5\r\n\r\nhello", False),
    "a body in chunks": (b"transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", False),
    "the beginning of a chunk": (b"transfer-encoding: chunked\r\n\r\n5", False),
    "a body without framing": (b"\r\nhello", False),
}


@pytest.mark.parametrize("what", HEADS)
async def test_a_response_to_head_has_no_body_and_leaves_a_clean_connection(what: str) -> None:
    rest, is_kept = HEADS[what]
    async with (
        RawServer([START + rest, OK]) as server,
        UpstreamPool(server.url, read_timeout=5) as pool,
    ):
        for _ in range(2 if is_kept else 1):
            async with asyncio.timeout(10):
                assert b"" == await get(pool, "HEAD")
        assert is_kept == (pool.stats().idle == 1)
        assert 1 == server.connections


async def test_the_answer_to_get_after_head_is_read_with_its_body() -> None:
    async def script(peer: RawPeer) -> None:
        await peer.request()
        await peer.send(START + b"content-length: 2\r\n\r\n")
        await peer.request()
        await peer.send(OK)
        await peer.read()

    async with RawServer(script) as server, UpstreamPool(server.url, read_timeout=5) as pool:
        assert b"" == await get(pool, "HEAD")
        assert b"ok" == await get(pool)


async def test_a_request_that_says_close_is_the_last_one() -> None:
    async with RawServer(OK) as server, UpstreamPool(server.url, read_timeout=5) as pool:
        response = await pool.request("GET", b"/", [(b"Connection", b"x, Close")])
        await response.read()
        assert 0 == pool.stats().idle


async def test_what_is_said_unasked_is_not_taken_for_an_answer() -> None:
    said = asyncio.Event()

    async def eager(peer: RawPeer) -> None:
        await peer.request()
        await peer.send(OK)
        await asyncio.sleep(0.01)
        await peer.send(START + b"content-length: 4\r\n\r\nevil")
        said.set()
        await peer.read()

    async with RawServer([eager, OK]) as server, UpstreamPool(server.url, read_timeout=5) as pool:
        assert b"ok" == await get(pool)
        await said.wait()
        await _until(lambda: not (pool.stats().idle))
        assert b"ok" == await get(pool)
        assert 2 == server.connections


async def test_what_is_said_on_a_new_connection_before_the_request_is_no_answer() -> None:
    async def greeting(peer: RawPeer) -> None:
        await peer.send(START + b"content-length: 4\r\n\r\nevil")
        await peer.read()

    async with (
        RawServer([greeting, OK]) as server,
        UpstreamPool(server.url, read_timeout=5) as pool,
    ):
        await pool.ping()
        await _until(lambda: not (pool.stats().idle))
        assert b"ok" == await get(pool)


async def test_trailers_are_read() -> None:
    said = CHUNKED + b"2\r\nok\r\n0\r\nDigest: abc\r\n\r\n"
    async with RawServer(said) as server, UpstreamPool(server.url, read_timeout=5) as pool:
        response = await pool.request("GET", b"/", [])
        assert b"ok" == await response.read()
        assert [(b"Digest", b"abc")] == response.trailers


async def test_a_body_without_length_ends_with_its_connection() -> None:
    script = once(START + b"\r\nab", b"cd", then="half_close")
    async with RawServer(script) as server, UpstreamPool(server.url, read_timeout=5) as pool:
        assert b"abcd" == await get(pool)
        assert (0, 0) == (pool.stats().in_use, pool.stats().idle)


# ---- refused -------------------------------------------------------------------------------------

REFUSED = {
    "both framings": START + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "both framings, turned": CHUNKED[:-2] + b"content-length: 2\r\n\r\n0\r\n\r\n",
    "two lengths": START + b"content-length: 2\r\ncontent-length: 2\r\n\r\nok",
    "two lengths in a line": START + b"content-length: 2, 2\r\n\r\nok",
    "a length with a sign": START + b"content-length: +2\r\n\r\nok",
    "a negative length": START + b"content-length: -2\r\n\r\nok",
    "a length in hex": START + b"content-length: 0x2\r\n\r\nok",
    "an enormous length": START + b"content-length: " + b"9" * 40 + b"\r\n\r\n",
    "an empty length": START + b"content-length:\r\n\r\n",
    "chunked not last": START + b"transfer-encoding: chunked, gzip\r\n\r\n",
    "another coding": START + b"transfer-encoding: gzip\r\n\r\n",
    "something like chunked": START + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunks in 1.0": b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks in 1.0 that stays": b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\n"
    b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "a folded line": START + b"a: b\r\n c\r\ncontent-length: 0\r\n\r\n",
    "a bare line feed": START + b"a: b\nc: d\r\ncontent-length: 0\r\n\r\n",
    "a bare line feed at the end": b"HTTP/1.1 200 OK\ncontent-length: 0\n\n",
    "a bare carriage return": START + b"a: b\rc: d\r\ncontent-length: 0\r\n\r\n",
    "a NUL": START + b"a: b\0c\r\ncontent-length: 0\r\n\r\n",
    "a space before the colon": START + b"content-length : 0\r\n\r\n",
    "a line without a name": START + b": b\r\ncontent-length: 0\r\n\r\n",
    "a chunk of no size": CHUNKED + b"x\r\nok\r\n0\r\n\r\n",
    "a chunk with a sign": CHUNKED + b"+2\r\nok\r\n0\r\n\r\n",
    "a chunk too long": CHUNKED + b"2\r\nokay\r\n0\r\n\r\n",
    "an enormous chunk": CHUNKED + b"f" * 20 + b"\r\n",
    "a chunk with a bare line feed": CHUNKED + b"2\nok\n0\n\n",
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "HTTP/2": b"HTTP/2.0 200 OK\r\n\r\n",
    "a status of two digits": b"HTTP/1.1 20 OK\r\n\r\n",
    "a status under 100": b"HTTP/1.1 099 No\r\n\r\n",
    "too many interim responses": b"HTTP/1.1 103 Hints\r\n\r\n" * 9 + OK,
    "an upgrade unasked": b"HTTP/1.1 101 Switch\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
    "an upgrade to nothing": b"HTTP/1.1 101 Switch\r\n\r\n",
}


@pytest.mark.parametrize("bytewise", [False, True], ids=["at once", "in two"])
@pytest.mark.parametrize("what", REFUSED)
async def test_a_response_that_can_be_read_in_two_ways_is_refused(
    what: str, bytewise: bool
) -> None:
    said = REFUSED[what]
    parts = [said[:-1], said[-1:]] if bytewise else [said]
    async with (
        RawServer([once(*parts), OK]) as server,
        UpstreamPool(server.url, read_timeout=5) as pool,
    ):
        with pytest.raises(ProtocolFailed):
            await get(pool)
        assert (0, 0) == (pool.stats().in_use, pool.stats().idle)
        assert b"ok" == await get(pool)


BROKEN = {
    "before the head": [],
    "in the head": [START + b"content-le"],
    "in the body": [START + b"content-length: 10\r\n\r\nhello"],
    "in a chunk": [CHUNKED + b"a\r\nhello"],
    "before the last chunk": [CHUNKED + b"5\r\nhello\r\n"],
    "in the trailers": [CHUNKED + b"0\r\nx: y"],
    "after an interim response": [b"HTTP/1.1 100 Continue\r\n\r\n"],
}


@pytest.mark.parametrize("what", BROKEN)
async def test_a_response_that_ends_too_early_is_an_error(what: str) -> None:
    async with RawServer([once(*BROKEN[what], then="close"), OK]) as server:
        async with UpstreamPool(server.url, read_timeout=5) as pool:
            with pytest.raises(ProtocolFailed, match="closed the connection"):
                await get(pool)
            assert (0, 0) == (pool.stats().in_use, pool.stats().idle)


@pytest.mark.parametrize("what", BROKEN)
async def test_a_reset_in_the_middle_of_a_response_is_an_error(what: str) -> None:
    async with RawServer([once(*BROKEN[what], then="reset"), OK]) as server:
        async with UpstreamPool(server.url, read_timeout=5) as pool:
            with pytest.raises(ReadFailed):
                await get(pool)
            assert (0, 0) == (pool.stats().in_use, pool.stats().idle)
            assert b"ok" == await get(pool)


LARGE = {
    "one large line": START + b"a: " + b"b" * 4000 + b"\r\ncontent-length: 0\r\n\r\n",
    "a large line without end": START + b"a: " + b"b" * 4000,
    "many lines": START + b"a: b\r\n" * 11 + b"content-length: 0\r\n\r\n",
    "many interim lines": b"HTTP/1.1 103 H\r\n" + b"a: b\r\n" * 11 + b"\r\n" + OK,
    "empty lines before": b"\r\n" * 2000,
    "a large reason": b"HTTP/1.1 200 " + b"x" * 4000,
    "many trailers": CHUNKED + b"0\r\n" + b"a: b\r\n" * 11 + b"\r\n",
    "a large trailer": CHUNKED + b"0\r\na: " + b"b" * 4000,
    "a large extension": CHUNKED + b"2;" + b"x" * 4000,
}


@pytest.mark.parametrize("pieces", [1, 5], ids=["at once", "in five"])
@pytest.mark.parametrize("what", LARGE)
async def test_a_head_or_trailer_section_that_is_too_large_is_refused(
    what: str, pieces: int
) -> None:
    said = LARGE[what]
    size = -(-len(said) // pieces)
    parts = [said[at : at + size] for at in range(0, len(said), size)]
    limits = PoolLimits(max_header_bytes=1000, max_headers=10)
    async with RawServer([once(*parts), OK]) as server:
        async with UpstreamPool(server.url, limits=limits, read_timeout=5) as pool:
            with pytest.raises(ProtocolFailed, match=r"too large|too many header lines"):
                await get(pool)
            assert b"ok" == await get(pool)


async def test_a_large_body_beside_a_small_head_is_no_large_head() -> None:
    said = START + b"content-length: 200000\r\n\r\n" + bytes(200_000)
    limits = PoolLimits(max_header_bytes=100)
    async with (
        RawServer(said) as server,
        UpstreamPool(server.url, limits=limits, read_timeout=5) as pool,
    ):
        assert bytes(200_000) == await get(pool)
    chunks = CHUNKED + b"1;" + b"x" * 50 + b"\r\na\r\n"
    async with RawServer(chunks + (b"1\r\nb\r\n" * 1000) + b"0\r\n\r\n") as server:
        async with UpstreamPool(server.url, limits=limits, read_timeout=5) as pool:
            assert b"a" + b"b" * 1000 == await get(pool)


# ---- the race between an idle connection and its end ---------------------------------------------


async def stale(peer: RawPeer) -> None:
    """Answer once, then close as the second request arrives."""
    await peer.request()
    await peer.send(OK)
    await peer.until(b"\r\n\r\n")
    peer.reset() if peer.number % 2 else await peer.close()


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_an_idle_connection_that_ends_as_we_write_is_replaced_once(method: str) -> None:
    async with RawServer([stale, OK]) as server, UpstreamPool(server.url, read_timeout=5) as pool:
        assert b"ok" == await get(pool)
        body = None if method == "GET" else b"again"
        assert b"ok" == await get(pool, method, body=body)
        assert 2 == server.connections
        if body:
            assert server.received[1].endswith(b"again")


async def test_it_is_not_replaced_twice() -> None:
    async def ends(peer: RawPeer) -> None:
        await peer.request()

    async with (
        RawServer([stale, ends, OK]) as server,
        UpstreamPool(server.url, read_timeout=5) as pool,
    ):
        await get(pool)
        with pytest.raises(ProtocolFailed, match="without sending a response"):
            await get(pool)
        assert 2 == server.connections


async def test_a_new_connection_that_ends_is_not_replaced() -> None:
    async def ends(peer: RawPeer) -> None:
        await peer.request()

    async with RawServer([ends, OK]) as server, UpstreamPool(server.url, read_timeout=5) as pool:
        with pytest.raises(ProtocolFailed):
            await get(pool)
        assert 1 == server.connections


async def test_an_idle_connection_that_is_silent_is_no_reason_to_ask_again() -> None:
    async def silent_then(peer: RawPeer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.until(b"never")

    async with RawServer([silent_then, OK]) as server:
        async with UpstreamPool(server.url, read_timeout=0.1) as pool:
            assert b"ok" == await get(pool)
            with pytest.raises(ReadTimedOut):
                await get(pool)
        assert 1 == server.connections


async def test_what_must_not_be_sent_twice_is_not() -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"once"

    async with (
        RawServer([stale, stale, OK]) as server,
        UpstreamPool(server.url, read_timeout=5) as pool,
    ):
        await get(pool)
        with pytest.raises((ProtocolFailed, ReadFailed)):
            await get(pool, "POST", body=b"once")
        await get(pool)
        with pytest.raises((ProtocolFailed, ReadFailed, WriteFailed)):
            await get(pool, "PUT", body=body())
        assert 2 == server.connections


async def test_an_answer_that_has_begun_is_not_asked_for_again() -> None:
    async def begins(peer: RawPeer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.request()
        await peer.send(b"HTTP/1.1 2")

    async with RawServer([begins, OK]) as server, UpstreamPool(server.url, read_timeout=5) as pool:
        await get(pool)
        with pytest.raises(ProtocolFailed, match="within the head"):
            await get(pool)
        assert 1 == server.connections


# ---- an answer before the request's end ----------------------------------------------------------

TOO_LARGE = b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno"


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield bytes(65536)
        await asyncio.sleep(0)


async def refuse(peer: RawPeer) -> None:
    await peer.until(b"\r\n\r\n")
    await peer.send(TOO_LARGE)
    while await peer.read():
        pass


@pytest.mark.parametrize("kind", ["pieces", "bytes"])
async def test_an_early_error_ends_the_sending_and_the_connection(kind: str) -> None:
    async with RawServer([refuse, OK]) as server, UpstreamPool(server.url, read_timeout=5) as pool:
        body: Any = endless() if kind == "pieces" else bytes(300_000_000)
        response = await pool.request("POST", b"/", [], body)
        assert 413 == response.status
        assert b"no" == await response.read()
        assert (0, 0) == (pool.stats().in_use, pool.stats().idle)
        assert b"ok" == await get(pool)
        assert len(server.received[0]) < 300_000_000


async def test_an_early_error_reaches_a_sender_whose_bytes_nobody_takes() -> None:
    async def deaf(peer: RawPeer) -> None:
        await peer.until(b"\r\n\r\n")
        peer._reader._transport.pause_reading()  # type: ignore[attr-defined]  # takes no more
        await asyncio.sleep(0.05)
        await peer.send(TOO_LARGE)
        await asyncio.sleep(3600)

    async with RawServer(deaf) as server, UpstreamPool(server.url, read_timeout=5) as pool:
        response = await pool.request("POST", b"/", [], bytes(100_000_000))
        assert (413, b"no") == (response.status, await response.read())
        assert 0 == pool.stats().in_use


async def test_an_early_error_without_an_end_is_read_as_far_as_it_comes() -> None:
    async def slowly(peer: RawPeer) -> None:
        await peer.until(b"\r\n\r\n")
        await peer.send(TOO_LARGE[:-1])
        await asyncio.sleep(0.02)
        await peer.send(b"o")
        await peer.read()

    async with RawServer(slowly) as server, UpstreamPool(server.url, read_timeout=5) as pool:
        response = await pool.request("POST", b"/", [], endless())
        assert (413, b"no") == (response.status, await response.read())
        assert (0, 0) == (pool.stats().in_use, pool.stats().idle)


async def test_an_early_success_lets_the_request_end() -> None:
    async def eager(peer: RawPeer) -> None:
        await peer.until(b"\r\n\r\n")
        await peer.send(START + b"content-length: 2\r\n\r\n")
        while not peer.received.endswith(b"0\r\n\r\n"):
            await peer.read()
        await peer.send(b"ok")
        await peer.read()

    async def body() -> AsyncIterator[bytes]:
        for _ in range(5):
            await asyncio.sleep(0.005)
            yield b"x"

    async with RawServer(eager) as server, UpstreamPool(server.url, read_timeout=5) as pool:
        assert b"ok" == await get(pool, "POST", body=body())
        assert 1 == pool.stats().idle


async def test_a_connection_with_bytes_unsent_is_not_used_again() -> None:
    async def deaf(peer: RawPeer) -> None:
        await peer.until(b"\r\n\r\n")
        peer._reader._transport.pause_reading()  # type: ignore[attr-defined]  # takes no more
        await peer.send(OK)
        await asyncio.sleep(3600)

    async def body() -> AsyncIterator[bytes]:
        yield bytes(50_000_000)

    async with RawServer([deaf, OK]) as server:
        async with UpstreamPool(server.url, read_timeout=5) as pool:
            assert b"ok" == await get(pool, "POST", body=body(), content_length=50_000_000)
            assert (0, 0) == (pool.stats().in_use, pool.stats().idle)
            assert b"ok" == await get(pool)


async def test_a_reset_while_sending_is_a_failure_to_write() -> None:
    async def broken(peer: RawPeer) -> None:
        await peer.until(b"\r\n\r\n")
        peer.reset()

    async with RawServer(broken) as server, UpstreamPool(server.url, read_timeout=5) as pool:
        with pytest.raises(WriteFailed):
            await get(pool, "POST", body=endless())
        with pytest.raises(WriteFailed):
            await get(pool, "POST", body=bytes(100_000_000))
        assert 0 == pool.stats().in_use


# ---- what is sent --------------------------------------------------------------------------------

Headers = list[tuple[bytes, bytes]]
BAD_REQUESTS: dict[str, dict[str, Any]] = {
    "a value with CR LF": {"headers": [(b"a", b"b\r\nevil: 1")]},
    "a value with LF": {"headers": [(b"a", b"b\nevil: 1")]},
    "a value with CR": {"headers": [(b"a", b"b\revil: 1")]},
    "a value with NUL": {"headers": [(b"a", b"b\0")]},
    "a value with DEL": {"headers": [(b"a", b"b\x7f")]},
    "a name with a colon": {"headers": [(b"a:", b"b")]},
    "a name with a space": {"headers": [(b"a b", b"b")]},
    "a name with CR LF": {"headers": [(b"a\r\nb", b"b")]},
    "a name of nothing": {"headers": [(b"", b"b")]},
    "a method with a space": {"method": "GET /evil"},
    "a method with CR LF": {"method": "GET\r\nx"},
    "a method of nothing": {"method": ""},
    "a tunnel": {"method": "CONNECT"},
    "a target with a space": {"target": b"/a b"},
    "a target with CR LF": {"target": b"/a\r\nb"},
    "a target of nothing": {"target": b""},
    "a target that is not escaped": {"target": "/ü".encode()},
    "two hosts": {"headers": [(b"host", b"a"), (b"Host", b"b")]},
    "two lengths": {"headers": [(b"content-length", b"1")] * 2, "body": b"a"},
    "both framings": {
        "headers": [(b"content-length", b"1"), (b"transfer-encoding", b"chunked")],
        "body": b"a",
    },
    "another coding": {"headers": [(b"transfer-encoding", b"gzip")], "body": b"a"},
    "a wrong length": {"headers": [(b"content-length", b"2")], "body": b"a"},
    "a length without a body": {"headers": [(b"content-length", b"2")]},
    "a length with a sign": {"headers": [(b"content-length", b"+1")], "body": b"a"},
    "a negative length": {"content_length": -1},
    "two different lengths": {"headers": [(b"content-length", b"1")], "content_length": 2},
    "a length and chunks": {"headers": [(b"transfer-encoding", b"chunked")], "content_length": 2},
}


@pytest.mark.parametrize("what", BAD_REQUESTS)
async def test_a_request_that_could_be_read_as_another_is_not_sent(what: str) -> None:
    options = {"method": "POST", "target": b"/", "headers": [], **BAD_REQUESTS[what]}
    async with RawServer(OK) as server, UpstreamPool(server.url, read_timeout=5) as pool:
        for _ in range(2):  # names and methods are remembered: also once known
            with pytest.raises(HttpInputError) as caught:
                await pool.request(**options)
            assert "evil" not in str(caught.value)
        assert 0 == server.connections
        assert 0 == pool.stats().in_use


GOOD_REQUESTS: dict[str, tuple[dict[str, Any], bytes]] = {
    "tabs and bytes in a value": (
        {"headers": [(b"a", b"b\tc \xfc")]},
        b"POST / HTTP/1.1\r\na: b\tc \xfc\r\nhost: me\r\n\r\n",
    ),
    "its own host": (
        {"headers": [(b"HOST", b"other")]},
        b"POST / HTTP/1.1\r\nHOST: other\r\n\r\n",
    ),
    "chunks of bytes": (
        {"headers": [(b"Transfer-Encoding", b"chunked")], "body": b"abc"},
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nhost: me\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    ),
    "a stated length": (
        {"headers": [(b"Content-Length", b"3")], "body": b"abc"},
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\nhost: me\r\n\r\nabc",
    ),
    "any token": (
        {"method": "M-SEARCH", "target": b"*"},
        b"M-SEARCH * HTTP/1.1\r\nhost: me\r\n\r\n",
    ),
}


@pytest.mark.parametrize("what", GOOD_REQUESTS)
async def test_a_request_is_sent_as_it_is(what: str) -> None:
    options, expected = GOOD_REQUESTS[what]
    options = {"method": "POST", "target": b"/", "headers": [], **options}
    async with RawServer(OK) as server, UpstreamPool(server.url, read_timeout=5) as pool:
        async with await pool.request(**options) as response:
            await response.read()
        own = b"host: 127.0.0.1:%d\r\n" % server.port
        assert [expected] == [data.replace(own, b"host: me\r\n") for data in server.received]


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.001)
