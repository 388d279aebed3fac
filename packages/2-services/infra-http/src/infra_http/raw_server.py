"""A server that says exactly the bytes it is told to: for tests of clients.

async with RawServer(b"HTTP/1.1 200 OK\\r\\ncontent-length: 2\\r\\n\\r\\nok") as server:
    ...  # server.url, and afterwards server.received
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import ssl
    from types import TracebackType

__all__ = ["RawPeer", "RawServer"]

_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:\s*chunked", re.IGNORECASE)


class RawPeer:
    """One accepted connection, as a script sees it.

    Attributes:
        number: of the connection, from 0.
        received: all that has come in so far.
    """

    def __init__(
        self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.number = number
        self.received = bytearray()
        self._reader = reader
        self._writer = writer

    async def read(self, count: int = 65536) -> bytes:
        """Return what comes next; b"" at the end."""
        data = await self._reader.read(count)
        self.received += data
        return data

    async def until(self, end: bytes) -> bytes:
        """Return all up to and with `end`.

        Raises:
            asyncio.IncompleteReadError: the other side ended before.
        """
        data = await self._reader.readuntil(end)
        self.received += data
        return data

    async def request(self) -> bytes:
        """Return one request, head and body; b"" where the other side has ended.

        Raises:
            asyncio.IncompleteReadError: it ended in the middle.
        """
        try:
            data = await self.until(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            self.received += error.partial
            if error.partial:
                raise
            return b""
        if (length := _LENGTH.search(data)) is not None:
            body = await self._reader.readexactly(int(length[1]))
            self.received += body
            data += body
        elif _CHUNKED.search(data) is not None:
            data += await self._chunks()
        return data

    async def _chunks(self) -> bytes:
        data = b""
        while True:
            line = await self.until(b"\r\n")
            data += line
            size = int(line.split(b";")[0], 16)
            if size == 0:
                break
            chunk = await self._reader.readexactly(size + 2)
            self.received += chunk
            data += chunk
        while line != b"\r\n":
            line = await self.until(b"\r\n")
            data += line
        return data

    async def send(self, data: bytes) -> None:
        """Send, and wait while the other side takes nothing."""
        self._writer.write(data)
        await self._writer.drain()

    async def half_close(self) -> None:
        """Say that no more will be sent, and stay open for reading."""
        self._writer.write_eof()

    async def close(self) -> None:
        """Close."""
        self._writer.close()

    def reset(self) -> None:
        """Break the connection: the other side sees a reset, not an end."""
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


Script = Callable[[RawPeer], Awaitable[object]]


class RawServer:
    """Listens on a free port of the loopback and runs a script for each connection.

    Args:
        script: what to do with a connection; or bytes, with which each of its requests is
            answered; or a sequence of these, one a connection, the last one for all that follow.
            After a script the connection is closed.
        ssl_context: to speak TLS.
        host: where to listen.

    Attributes:
        peers: the connections so far, in order.
    """

    def __init__(
        self,
        script: Script | bytes | Sequence[Script | bytes],
        *,
        ssl_context: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        one = callable(script) or isinstance(script, bytes)
        self._scripts: list[Script | bytes] = [script] if one else list(script)  # type: ignore[list-item,arg-type]  # by `one`
        self._ssl = ssl_context
        self._host = host
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[object]] = set()
        self.peers: list[RawPeer] = []
        self.open = 0
        self.most_open = 0

    @property
    def port(self) -> int:
        """The port it listens on."""
        assert self._server is not None, "the server listens inside of `async with`"
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        """Its URL, without a slash at the end."""
        scheme = "http" if self._ssl is None else "https"
        return f"{scheme}://{self._host}:{self.port}"

    @property
    def connections(self) -> int:
        """How many connections there were."""
        return len(self.peers)

    @property
    def received(self) -> list[bytes]:
        """All bytes of each connection so far."""
        return [bytes(peer.received) for peer in self.peers]

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._accept, self._host, 0, ssl=self._ssl, backlog=1024, limit=2**24
        )
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for peer in self.peers:
            peer._writer.transport.abort()
        await asyncio.sleep(0)
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        peer = RawPeer(len(self.peers), reader, writer)
        self.peers.append(peer)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        script = self._scripts[min(peer.number, len(self._scripts) - 1)]
        try:
            if isinstance(script, bytes):
                while await peer.request():
                    await peer.send(script)
            else:
                await script(peer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client went away, which is what some tests are about
        except asyncio.CancelledError:
            pass  # the end of the server; start_server would report it as an error
        finally:
            self.open -= 1
            self._tasks.discard(task)
            writer.close()
