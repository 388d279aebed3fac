"""How often a caller may ask: a hook that decides, and the headers that say what it decided."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Protocol

from starlette.requests import HTTPConnection, Request

from infra_errors import RateLimitedError
from infra_http.middleware._exchange import exchange_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

    RateLimitHook = Callable[[Any], Awaitable["RateDecision | None"]]

__all__ = ["RateDecision", "RateLimit"]


class RateDecision(Protocol):
    """What a rate-limit hook returns; the Decision of infra-cache's limiter is one."""

    @property
    def allowed(self) -> bool:
        """Whether this request goes through."""

    @property
    def limit(self) -> int:
        """How many do in a period."""

    @property
    def remaining(self) -> int:
        """How many more would now."""

    @property
    def reset_after(self) -> float:
        """Seconds until all are free again."""

    @property
    def retry_after(self) -> float:
        """Seconds until one is."""


class RateLimit:
    """Asks the hook before each request; 429 with Retry-After where it says no.

    Responses carry `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset` (seconds).
    Health checks are not asked about, nor is a request for which the hook returns None.

    Args:
        app: the application.
        hook: an asynchronous function of the Request.
    """

    def __init__(self, app: ASGIApp, *, hook: RateLimitHook) -> None:
        self._app = app
        self._hook = hook

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        route = scope.get("infra.route")
        if scope["type"] == "lifespan" or (route is not None and route.quiet):
            await self._app(scope, receive, send)
            return
        is_http = scope["type"] == "http"
        decision = await self._hook(
            Request(scope, receive) if is_http else HTTPConnection(scope, receive)
        )
        if decision is not None:
            if is_http:
                exchange, send = exchange_of(scope, send)
                exchange.headers += [
                    (b"ratelimit-limit", b"%d" % decision.limit),
                    (b"ratelimit-remaining", b"%d" % max(0, decision.remaining)),
                    (b"ratelimit-reset", b"%d" % math.ceil(decision.reset_after)),
                ]
            if not decision.allowed:
                message = "too many requests"
                wait = max(0.0, decision.retry_after)
                raise RateLimitedError(message, code="http.too_many_requests", retry_after=wait)
        await self._app(scope, receive, send)
