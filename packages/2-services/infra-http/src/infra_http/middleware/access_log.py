"""One log record a request: what was asked for, what came of it, how long it took."""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING

from infra_http.middleware._exchange import exchange_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["AccessLog"]

CLIENT_GONE = 499  # nginx's number for a request whose client left before the answer
_log = logging.getLogger("infra_http.access")


class AccessLog:
    """Writes one record a request to the logger `infra_http.access`, at INFO.

    The record has the fields `method`, `route` (the template, never the path), `status`,
    `duration_ms`, `bytes`, `request_id` and `client`. No query, header or path parameter is in it,
    and health checks write none. The logger's level switches it off.

    Args:
        app: the application.
        clock: seconds, for durations.
    """

    def __init__(self, app: ASGIApp, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._clock = clock
        self._first: logging.LogRecord | None = None
        self._pid = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        kind = scope["type"]
        if kind == "lifespan" or not _log.isEnabledFor(logging.INFO):
            await self._app(scope, receive, send)
        elif kind == "http":
            await self._http(scope, receive, send)
        else:
            await self._websocket(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange, send = exchange_of(scope, send)
        if exchange.logged:  # an app of ours that is mounted in another
            await self._app(scope, receive, send)
            return
        exchange.logged = True
        started = self._clock()
        try:
            await self._app(scope, receive, send)
        finally:
            status = exchange.status or CLIENT_GONE
            self._write(scope, scope["method"], status, exchange.sent, started)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = self._clock()
        status, sent = 403, 0  # what a server answers when a socket is not accepted

        async def noted(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "websocket.accept":
                status = 101
            elif message["type"] == "websocket.send":
                sent += len(message.get("bytes") or message.get("text") or b"")
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            self._write(scope, "WEBSOCKET", status, sent, started)

    def _write(self, scope: Scope, method: str, status: int, sent: int, started: float) -> None:
        route = scope.get("infra.route")
        if route is not None and route.quiet:
            return
        path = "-" if route is None else route.path
        duration = (self._clock() - started) * 1000
        client = scope.get("client")
        record = self._record("%s %s %d %.1f ms", (method, path, status, duration))
        fields = record.__dict__
        fields["method"] = method
        fields["route"] = path
        fields["status"] = status
        fields["duration_ms"] = round(duration, 3)
        fields["bytes"] = sent
        fields["request_id"] = scope.get("infra.request_id")
        fields["client"] = client[0] if client else None
        _log.handle(record)

    def _record(self, text: str, values: tuple[object, ...]) -> logging.LogRecord:
        """Return a record: a copy of the first one, which costs a fifth of a new one.

        Process and thread are looked up once; a factory of the application is always asked.
        """
        factory = logging.getLogRecordFactory()
        if factory is not logging.LogRecord:
            return factory(_log.name, logging.INFO, __file__, 0, text, values, None)
        if self._first is None or self._pid != os.getpid():
            self._pid = os.getpid()
            self._first = factory(_log.name, logging.INFO, __file__, 0, text, values, None)
        record = logging.LogRecord.__new__(logging.LogRecord)
        fields = record.__dict__
        fields.update(self._first.__dict__)
        fields["created"] = now = time.time()
        fields["msecs"] = int((now - int(now)) * 1000) + 0.0
        fields["relativeCreated"] = self._first.relativeCreated + (now - self._first.created) * 1000
        fields["args"] = values
        return record
