"""What an httpx2 transport for HTTP/1.1 does, as a pytest class to inherit.

    class TestMine(TransportContract):
        async def make_transport(self, **options):
            return MyTransport(**options)

Each test is a coroutine and runs under pytest-asyncio or anyio.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from infra_http.raw_server import RawPeer, RawServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

__all__ = ["TransportContract"]

_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
_START = b"HTTP/1.1 200 OK\r\n"
_CHUNKED = _START + b"Transfer-Encoding: chunked\r\n\r\n"

_BROKEN = {
    "no response": b"",
    "half a head": b"HTTP/1.1 200 OK\r\ncontent",
    "half a body": _START + b"content-length: 10\r\n\r\nhello",
    "half a chunk": _CHUNKED + b"a\r\nhello",
    "no HTTP": b"hello, I am a mail server\r\n\r\n",
    "a chunk without a size": _CHUNKED + b"x\r\n\r\n",
    "a name with a space": _START + b"a b: c\r\n\r\n",
    "two different lengths": _START + b"content-length: 1\r\ncontent-length: 2\r\n\r\nab",
}


async def _silent(peer: RawPeer) -> None:
    while await peer.read():
        pass


async def _reset(peer: RawPeer) -> None:
    await peer.request()
    peer.reset()


def _once(*parts: bytes) -> Any:
    async def script(peer: RawPeer) -> None:
        await peer.request()
        for part in parts:
            await peer.send(part)
            await asyncio.sleep(0.002)

    return script


async def _parts() -> AsyncIterator[bytes]:
    yield b"abc"
    yield b"de"


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.001)


class TransportContract:
    """Inherit it, and say how a transport is made."""

    async def make_transport(self, **options: Any) -> httpx2.AsyncBaseTransport:
        """Return a new transport; `options` are of httpx2's own: limits, verify."""
        pytest.fail("override make_transport(self, **options)")

    async def _client(self, **options: Any) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(transport=await self.make_transport(**options), timeout=10)

    async def test_a_response_has_status_reason_version_headers_and_body(self) -> None:
        said = b"HTTP/1.1 201 Made it\r\nX-One: 1\r\nx-one: 2\r\nContent-Length: 5\r\n\r\nhello"
        async with RawServer(said) as server, await self._client() as client:
            response = await client.get(f"{server.url}/a%20b?c=d#e", headers={"X-Own": "me"})
            assert 201 == response.status_code
            assert ("Made it", "HTTP/1.1") == (response.reason_phrase, response.http_version)
            assert [(b"X-One", b"1"), (b"x-one", b"2")] == response.headers.raw[:2]
            assert b"hello" == response.content
            assert response.elapsed.total_seconds() > 0
            head = server.received[0]
            assert head.startswith(b"GET /a%20b?c=d HTTP/1.1\r\n")
            assert b"\r\nX-Own: me\r\n" in head
            assert head.count(b"\r\nHost: ") == 1

    async def test_the_network_stream_says_where_it_is_connected_to(self) -> None:
        async with (
            RawServer(_OK) as server,
            await self._client() as client,
            client.stream("GET", server.url) as response,
        ):
            stream = response.extensions["network_stream"]
            assert ("127.0.0.1", server.port) == stream.get_extra_info("server_addr")[:2]
            assert "127.0.0.1" == stream.get_extra_info("client_addr")[0]

    @pytest.mark.parametrize("version", ["1.0", "1.1"])
    async def test_a_body_without_a_length_ends_with_the_connection(self, version: str) -> None:
        script = _once(f"HTTP/{version} 200 OK\r\n\r\n".encode(), b"he", b"llo")
        async with RawServer(script) as server, await self._client() as client:
            response = await client.get(server.url)
            assert ("hello", f"HTTP/{version}") == (response.text, response.http_version)

    async def test_a_body_in_chunks_is_put_together(self) -> None:
        script = _once(_CHUNKED + b"2\r", b"\nhe\r\n3;a=b\r\nll", b"o\r\n0\r\nx: y\r\n", b"\r\n")
        async with RawServer(script) as server, await self._client() as client:
            assert "hello" == (await client.get(server.url)).text

    @pytest.mark.parametrize("status", [204, 304])
    async def test_a_status_without_body_has_none_whatever_its_length_says(
        self, status: int
    ) -> None:
        said = f"HTTP/1.1 {status} X\r\nContent-Length: 5\r\n\r\n".encode()
        async with RawServer(said) as server, await self._client() as client:
            for _ in range(2):
                assert b"" == (await client.get(server.url)).content
            assert 1 == server.connections

    async def test_a_response_to_head_has_no_body_whatever_its_length_says(self) -> None:
        async with (
            RawServer(_START + b"Content-Length: 5\r\n\r\n") as server,
            await self._client() as client,
        ):
            for _ in range(2):
                response = await client.head(server.url)
                assert (b"", "5") == (response.content, response.headers["content-length"])
            assert 1 == server.connections

    async def test_interim_responses_are_skipped(self) -> None:
        said = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" + _OK
        async with RawServer(said) as server, await self._client() as client:
            response = await client.get(server.url)
            assert (200, "ok") == (response.status_code, response.text)
            assert "link" not in response.headers

    async def test_bodies_are_sent_by_length_or_in_chunks(self) -> None:
        async with RawServer(_OK) as server, await self._client() as client:
            await client.post(server.url, content=b"abcde")
            await client.post(server.url, content=_parts())
            await client.post(server.url, content=_parts(), headers={"Content-Length": "5"})
            await client.post(server.url)
            bodies = [part.partition(b"\r\n\r\n")[2] for part in server.received[0].split(b"POST ")]
            chunked = b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
            assert [b"abcde", chunked, b"abcde", b""] == bodies[1:]

    async def test_a_large_body_goes_both_ways(self) -> None:
        body = bytes(range(256)) * 16384

        async def echo(peer: RawPeer) -> None:
            data = (await peer.request()).partition(b"\r\n\r\n")[2]
            await peer.send(_START + b"Content-Length: %d\r\n\r\n" % len(data) + data)

        async with RawServer(echo) as server, await self._client() as client:
            assert body == (await client.post(server.url, content=body)).content

    async def test_a_connection_serves_one_request_after_another(self) -> None:
        async with RawServer(_OK) as server, await self._client() as client:
            for _ in range(10):
                assert "ok" == (await client.get(server.url)).text
            assert 1 == server.connections

    async def test_a_connection_that_is_to_be_closed_is(self) -> None:
        said = _OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        async with RawServer(said) as server, await self._client() as client:
            for _ in range(2):
                assert "ok" == (await client.get(server.url)).text
            assert 2 == server.connections

    async def test_limits_hold(self) -> None:
        limits = httpx2.Limits(max_connections=3)
        async with RawServer(_OK) as server, await self._client(limits=limits) as client:
            responses = await asyncio.gather(*(client.get(server.url) for _ in range(30)))
            assert ["ok"] * 30 == [response.text for response in responses]
            assert server.most_open <= 3

    async def test_limits_hold_over_all_origins_and_idle_connections_make_room(self) -> None:
        limits = httpx2.Limits(max_connections=1)
        async with (
            RawServer(_OK) as one,
            RawServer(_OK) as other,
            await self._client(limits=limits) as client,
        ):
            for server in (one, other, one, other):
                assert "ok" == (await client.get(server.url)).text
            assert (2, 2) == (one.connections, other.connections)

    async def test_no_free_connection_in_time_is_a_pool_timeout(self) -> None:
        limits = httpx2.Limits(max_connections=1)
        async with RawServer(_silent) as server, await self._client(limits=limits) as client:
            first = asyncio.ensure_future(client.get(server.url))
            await _until(lambda: bool(server.peers))
            with pytest.raises(httpx2.PoolTimeout):
                await client.get(server.url, timeout=httpx2.Timeout(10, pool=0.02))
            first.cancel()
            await asyncio.wait([first])

    async def test_no_answer_in_time_is_a_read_timeout(self) -> None:
        async with RawServer(_silent) as server, await self._client() as client:
            with pytest.raises(httpx2.ReadTimeout) as caught:
                await client.get(server.url, timeout=httpx2.Timeout(10, read=0.02))
            assert server.url == str(caught.value.request.url).rstrip("/")

    async def test_no_more_of_a_body_in_time_is_a_read_timeout(self) -> None:
        async def half(peer: RawPeer) -> None:
            await peer.request()
            await peer.send(_START + b"Content-Length: 5\r\n\r\nhe")
            await peer.read()

        async with RawServer(half) as server, await self._client() as client:
            with pytest.raises(httpx2.ReadTimeout):
                await client.get(server.url, timeout=httpx2.Timeout(10, read=0.05))

    async def test_nobody_listening_is_a_connect_error(self) -> None:
        async with RawServer(_OK) as server:
            url = server.url
        async with await self._client() as client:
            with pytest.raises(httpx2.ConnectError) as caught:
                await client.get(url)
            assert caught.value.request.method == "GET"

    async def test_an_unknown_name_is_a_connect_error(self) -> None:
        async with await self._client() as client:
            with pytest.raises(httpx2.ConnectError):
                await client.get("http://does-not-exist.invalid/")

    @pytest.mark.parametrize("what", _BROKEN)
    async def test_a_broken_response_is_a_protocol_error(self, what: str) -> None:
        async with RawServer(_once(_BROKEN[what])) as server, await self._client() as client:
            with pytest.raises(httpx2.RemoteProtocolError):
                await client.get(server.url)

    async def test_a_reset_is_a_read_error(self) -> None:
        async with RawServer(_reset) as server, await self._client() as client:
            with pytest.raises(httpx2.ReadError):
                await client.get(server.url)

    async def test_a_scheme_that_is_not_http_is_unsupported(self) -> None:
        async with await self._client() as client:
            with pytest.raises(httpx2.UnsupportedProtocol):
                await client.get("ftp://127.0.0.1/")

    @pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\0"], ids=["CRLF", "LF", "NUL"])
    async def test_a_header_with_a_line_break_is_not_sent(self, value: str) -> None:
        async with RawServer(_OK) as server, await self._client() as client:
            with pytest.raises(httpx2.LocalProtocolError):
                await client.get(server.url, headers={"X": value})
            assert b"X:" not in b"".join(server.received)

    async def test_a_response_can_be_read_in_pieces_or_left(self) -> None:
        async def pieces(peer: RawPeer) -> None:
            await peer.request()
            await peer.send(_START + b"Content-Length: 4\r\n\r\nhe")
            await asyncio.sleep(0.01)
            await peer.send(b"re")

        async with RawServer([pieces, pieces, _OK]) as server, await self._client() as client:
            async with client.stream("GET", server.url) as response:
                assert b"here" == b"".join([piece async for piece in response.aiter_raw()])
            async with client.stream("GET", server.url) as response:
                assert 200 == response.status_code
            assert "ok" == (await client.get(server.url)).text

    async def test_a_cancelled_call_leaves_the_transport_usable(self) -> None:
        limits = httpx2.Limits(max_connections=1)
        scripts: list[Any] = [_silent, _OK]
        async with RawServer(scripts) as server, await self._client(limits=limits) as client:
            call = asyncio.ensure_future(client.get(server.url))
            await _until(lambda: bool(server.peers))
            call.cancel()
            await asyncio.wait([call])
            assert "ok" == (await client.get(server.url)).text

    async def test_after_101_the_connection_is_the_callers(self) -> None:
        async def shout(peer: RawPeer) -> None:
            await peer.until(b"\r\n\r\n")
            await peer.send(
                b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: shout\r\n\r\nHI"
            )
            while data := await peer.read():
                await peer.send(data.upper())

        upgrade = {"Connection": "upgrade", "Upgrade": "shout"}
        async with (
            RawServer(shout) as server,
            await self._client() as client,
            client.stream("GET", server.url, headers=upgrade) as response,
        ):
            assert 101 == response.status_code
            stream = response.extensions["network_stream"]
            assert b"HI" == await stream.read(100)
            for word in (b"hello", b"world"):
                await stream.write(word)
                assert word.upper() == await stream.read(100)
            await stream.aclose()

    async def test_closing_twice_is_fine(self) -> None:
        transport = await self.make_transport()
        await transport.aclose()
        await transport.aclose()
