"""What comes back from an upstream: the head at once, the body as it arrives, or a duplex."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any, Self

from infra_http.errors import (
    HttpInputError,
    ReadFailed,
    ReadTimedOut,
    ResponseTooLarge,
    WriteTimedOut,
)

if TYPE_CHECKING:
    from types import TracebackType

    from infra_errors import InfraError
    from infra_http._h1 import Connection

__all__ = ["Duplex", "UpstreamResponse"]


class UpstreamResponse:
    """One response. Iterate it for its body, or `read` it, or `aclose` it; do one of these.

    The connection goes back to the pool as soon as the body has arrived in whole. `async with`
    closes at the end, whatever happened.

    Attributes:
        status: the number, 200 to 999 (101 after an upgrade).
        reason: the phrase of the status line, mostly empty or useless.
        headers: names and values as sent, in order; names keep their case.
        trailers: what came after a chunked body; complete when the body is.
        http_version: "1.1" or "1.0".
    """

    __slots__ = (
        "_chunks",
        "_complete",
        "_conn",
        "_error",
        "_size",
        "_waiter",
        "headers",
        "http_version",
        "reason",
        "status",
        "trailers",
    )

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._chunks: list[bytes] = []
        self._size = 0
        self._complete = False
        self._error: InfraError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.status = 0
        self.reason = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.trailers: list[tuple[bytes, bytes]] = []
        self.http_version = ""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while not self._chunks:
            if self._error is not None:
                raise self._error
            if self._complete:
                raise StopAsyncIteration
            await self._conn.more(self)
        return self._take()

    def _take(self) -> bytes:
        chunks = self._chunks
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        self._size = 0
        self._conn.resume(self)
        return data

    async def read(self, max_bytes: int | None = None) -> bytes:
        """Return the whole body that is left.

        Raises:
            ResponseTooLarge: it is over `max_bytes`; the connection is closed.
            ReadFailed, ProtocolFailed: it broke off.
            ReadTimedOut, TotalTimedOut: it came too slowly.
        """
        limit = math.inf if max_bytes is None else max_bytes
        if self._complete and self._size <= limit:  # all of it is here
            return self._take() if self._chunks else b""
        parts = []
        size = 0
        async for chunk in self:
            size += len(chunk)
            if size > limit:
                await self.aclose()
                message = f"the body is longer than {max_bytes} bytes"
                raise ResponseTooLarge(message)
            parts.append(chunk)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def aclose(self) -> None:
        """Be done with it. What has not arrived is not waited for: its connection is closed."""
        self._chunks.clear()
        self._size = 0
        if not self._complete and self._error is None:
            message = "the response was closed before its end"
            self._conn.fail(self, ReadFailed(message))

    def upgrade(self) -> Duplex:
        """Return the connection itself, after a 101 to a request with `allow_upgrade=True`.

        Raises:
            HttpInputError: the response is no 101.
        """
        if self.status != 101:
            message = f"the upstream answered {self.status}: there is nothing to upgrade to"
            raise HttpInputError(message)
        return Duplex(self, self._conn)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<UpstreamResponse {self.status}>"


class Duplex:
    """Bytes both ways, after an upgrade. It holds its place in the pool until it is closed."""

    __slots__ = ("_conn", "_response")

    def __init__(self, response: UpstreamResponse, conn: Connection) -> None:
        self._response = response
        self._conn = conn

    async def read(self, max_bytes: int = 65536, *, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        """Return what has arrived, at most `max_bytes`; b"" at the end.

        Raises:
            ReadTimedOut: nothing came within `timeout` seconds; it can be read again.
            ReadFailed: the connection broke, or was closed on this side.
        """
        response = self._response
        while not response._chunks:
            if response._error is not None:
                raise response._error
            if response._complete:
                return b""
            try:
                async with asyncio.timeout(timeout):
                    await self._conn.change(response)
            except TimeoutError:
                message = "nothing came within the timeout"
                raise ReadTimedOut(message) from None
        data = response._take()
        if len(data) > max_bytes:
            data, rest = data[:max_bytes], data[max_bytes:]
            response._chunks.append(rest)
            response._size = len(rest)
        return data

    async def write(self, data: bytes, *, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Send, and wait while the other side takes nothing.

        Raises:
            WriteTimedOut: it took nothing within `timeout` seconds; the connection is closed.
            WriteFailed: the connection is closed.
        """
        try:
            async with asyncio.timeout(timeout):
                await self._conn.send(self._response, data)
        except TimeoutError:
            message = "the other side took nothing within the timeout"
            error = WriteTimedOut(message)
            self._conn.fail(self._response, error)
            raise error from None

    async def aclose(self) -> None:
        """Close the connection."""
        self._conn.release_tunnel(self._response)

    def get_extra_info(self, name: str) -> Any:
        """Return what asyncio's transport knows under this name, such as `peername`."""
        return self._conn.fact(name)
