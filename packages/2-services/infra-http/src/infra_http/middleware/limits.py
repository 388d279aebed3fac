"""How large a request may be, and how long its body may take to come."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from infra_http.errors import BodyTimedOut, BodyTooLarge, HeadersTooLarge, TargetTooLong
from infra_http.middleware._exchange import headers_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Limits"]


class Limits:
    """Refuses what is too large, and ends what stops coming.

    A body is refused by its Content-Length before a byte of it is read, and by count while it is
    read; it is never buffered here.

    Args:
        app: the application.
        max_body: bytes of a body, 413 above; None for any. A route may say otherwise.
        max_headers: how many headers, 431 above.
        max_header_bytes: their names and values together, 431 above.
        max_target: bytes of path and query, 414 above.
        body_timeout: seconds between two pieces of a body, 408 after; None for ever.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_body: int | None = 1 << 20,
        max_headers: int = 100,
        max_header_bytes: int = 32768,
        max_target: int = 8192,
        body_timeout: float | None = 30.0,
    ) -> None:
        self._app = app
        self._max_body = max_body
        self._max_headers = max_headers
        self._max_header_bytes = max_header_bytes
        self._max_target = max_target
        self._body_timeout = body_timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        target = len(scope.get("raw_path") or scope["path"]) + len(scope.get("query_string", b""))
        if target > self._max_target:
            message = f"the target is longer than {self._max_target} bytes"
            raise TargetTooLong(message)
        headers = scope["headers"]
        if len(headers) > self._max_headers:
            message = f"more than {self._max_headers} headers"
            raise HeadersTooLarge(message)
        size = sum([len(name) + len(value) for name, value in headers])
        if size > self._max_header_bytes:
            message = f"headers of more than {self._max_header_bytes} bytes"
            raise HeadersTooLarge(message)
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        named = headers_of(scope)
        length = named.get(b"content-length", b"0")
        # HTTP/2 needs neither header
        if length != b"0" or b"transfer-encoding" in named or scope["http_version"][:1] != "1":
            receive = self._bounded(scope, receive, length)
        await self._app(scope, receive, send)

    def _bounded(self, scope: Scope, receive: Receive, length: bytes) -> Receive:
        route = scope.get("infra.route")
        limit = self._max_body if route is None or route.max_body is None else route.max_body
        if limit is not None and length.isdigit() and int(length) > limit:
            raise _too_large(limit)
        return _Body(scope, receive, limit, self._body_timeout).receive


class _Body:
    """The body so far. After its end `receive` is the server's, which tells of a disconnect."""

    __slots__ = ("_coming", "_left", "_limit", "_receive", "_scope", "_timeout")

    def __init__(
        self, scope: Scope, receive: Receive, limit: int | None, timeout: float | None
    ) -> None:
        self._scope = scope
        self._receive = receive
        self._limit = limit
        self._left = limit
        self._timeout = timeout
        self._coming = True

    async def receive(self) -> Message:
        if not self._coming:
            return await self._receive()
        try:
            async with asyncio.timeout(self._timeout) as waiting:
                message = await self._receive()
        except TimeoutError as exc:
            if not waiting.expired():
                raise
            error = f"no more of the body for {self._timeout} s"
            raise BodyTimedOut(error) from exc
        self._coming = message.get("more_body", False)
        if not self._coming:
            self._scope["infra.body_ended"] = True
        if self._left is not None:
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                assert self._limit is not None
                raise _too_large(self._limit)
        return message


def _too_large(limit: int) -> BodyTooLarge:
    message = f"the body is larger than {limit} bytes"
    return BodyTooLarge(message)
