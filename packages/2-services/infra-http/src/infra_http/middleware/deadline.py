"""The deadline that came with the request, for everything below to keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra_errors import Deadline
from infra_http.middleware._exchange import headers_of
from infra_http.propagation import TIMEOUT_HEADER

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["DeadlineHeader", "asked_time"]

_NAME = TIMEOUT_HEADER.lower().encode("ascii")


class DeadlineHeader:
    """Makes `Deadline.current()` the time that is left of the request.

    That is the caller's `X-Request-Timeout-Ms` or our own limit, whichever is shorter. Nothing is
    cut off here: `Timeout` does that, at the same moment.

    Args:
        app: the application.
        limit: seconds; None for no limit of ours. A route may say otherwise.
    """

    def __init__(self, app: ASGIApp, *, limit: float | None = 30.0) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        route = scope.get("infra.route")
        limit = self._limit if route is None else route.time_or(self._limit)
        asked = asked_time(scope)
        if asked is not None and (limit is None or asked < limit):
            limit = asked
        scope["infra.seconds"] = limit
        if limit is None:
            await self._app(scope, receive, send)
            return
        with Deadline.after(limit).scope():
            await self._app(scope, receive, send)


def asked_time(scope: Scope) -> float | None:
    """Return the seconds that the caller is willing to wait, or None where it does not say."""
    value = headers_of(scope).get(_NAME)
    return int(value) / 1000 if value and value.isdigit() and len(value) <= 12 else None
