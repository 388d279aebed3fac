"""How many requests at once, and what the response says while the server drains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra_http.errors import ServerBusy
from infra_http.middleware._exchange import exchange_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from infra_http.server.drain import Drain

__all__ = ["Capacity"]


class Capacity:
    """Answers 503 with `Retry-After: 1` when as many requests are under way as the server takes.

    While the server drains, responses carry `Connection: close`. Health checks are not counted.

    Args:
        app: the application.
        max_concurrency: requests and web sockets at once; None for any number.
        drain: the server's drain.
    """

    def __init__(
        self, app: ASGIApp, *, max_concurrency: int | None = None, drain: Drain | None = None
    ) -> None:
        self._app = app
        self._limit = max_concurrency
        self._drain = drain
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        kind = scope["type"]
        if kind == "lifespan":
            await self._app(scope, receive, send)
            return
        if kind == "http" and self._drain is not None:
            exchange, send = exchange_of(scope, send)
            exchange.drain = self._drain
        if self._limit is None or ((route := scope.get("infra.route")) and route.quiet):
            await self._app(scope, receive, send)
            return
        if self._running >= self._limit:
            message = f"{self._limit} requests are under way already"
            raise ServerBusy(message, retry_after=1)
        self._running += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._running -= 1
