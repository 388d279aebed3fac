"""infra-http's wire beside its peers: rows for bench_http.py.

The origin is a process of its own that does next to nothing, so that the client is what is
measured: uvloop, llhttp, one prepared answer.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import httpx2
import uvloop
from _bench import Fact, Row, faster

from infra_http.pool import PoolLimits, UpstreamPool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from _bench import Timer

__all__ = ["rows"]

ORIGIN = """
import asyncio, httptools, uvloop
BODY = b'{"hello":"world","n":12345678}'
HEAD = b"HTTP/1.1 200 OK\\r\\ncontent-type: application/json\\r\\nserver: origin\\r\\n"
ANSWER = HEAD + b"content-length: %d\\r\\n\\r\\n" % len(BODY) + BODY
class Origin(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        self.parser = httptools.HttpRequestParser(self)
    def data_received(self, data):
        self.parser.feed_data(data)
    def on_message_complete(self):
        self.transport.write(ANSWER)
async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Origin, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
uvloop.run(main())
"""
ENOUGH = 3000  # calls in a round: fewer measure how connections are opened
HEADERS = [(b"accept", b"*/*"), (b"user-agent", b"bench")]


@contextmanager
def origin() -> Iterator[str]:
    """Run the origin; give its URL."""
    with subprocess.Popen([sys.executable, "-c", ORIGIN], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


def loaded(opened: Callable[[], Any], call: Callable[[Any], Any], at_once: int) -> Timer:
    """Time so many calls, `at_once` of them under way at any moment, on one open client."""

    async def repeat(times: int) -> float:
        async with opened() as client:
            left = times

            async def worker() -> None:
                nonlocal left
                while left > 0:
                    left -= 1
                    await call(client)

            await asyncio.gather(*(call(client) for _ in range(at_once)))  # connects
            start = time.perf_counter()
            await asyncio.gather(*(worker() for _ in range(at_once)))
            return time.perf_counter() - start

    def timer(times: int) -> float:
        most = max(times, ENOUGH)
        return uvloop.run(repeat(most)) * times / most

    return timer


def rows() -> Iterator[Row | Fact]:
    """Compare the client's API with httpx2's and the raw pool with aiohttp."""
    from infra_http import AsyncClient

    limits = PoolLimits(max_connections=100, max_keepalive=100)
    with origin() as url:
        target = f"{url}/a"

        async def raw(pool: UpstreamPool) -> None:
            response = await pool.request("GET", b"/a", HEADERS)
            await response.read()

        async def theirs(session: aiohttp.ClientSession) -> None:
            async with session.get(target) as response:
                await response.read()

        def ours(at_once: int) -> Timer:
            return loaded(lambda: UpstreamPool(url, limits=limits), raw, at_once)

        yield Row(
            "AsyncClient GET, default policy, c=20",
            loaded(AsyncClient, lambda client: client.get(target), 20),
            faster(3),
            loaded(httpx2.AsyncClient, lambda client: client.get(target), 20),
            "httpx2",
        )
        yield Row(
            "UpstreamPool GET, c=20",
            ours(20),
            faster(4),
            loaded(aiohttp.ClientSession, theirs, 20),
            "aiohttp",
        )
        yield _growth(ours)


def _growth(ours: Callable[[int], Timer]) -> Fact:
    """Calls a second at c=1 and c=100, the best of several rounds each."""
    best = {1: 0.0, 100: 0.0}
    times = 2000
    for _ in range(5):
        for at_once, most in best.items():
            best[at_once] = max(most, times / ours(at_once)(times))
    found = f"{best[1]:,.0f} /s at c=1, {best[100]:,.0f} /s at c=100"
    return Fact("UpstreamPool GET", found, "c=100 not below c=1", best[100] >= best[1])


if __name__ == "__main__":
    from _bench import report

    report("infra-http, the wire", rows())
