"""Cross-origin requests of browsers (the Fetch standard's CORS protocol)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra_http.errors import HttpConfigError
from infra_http.middleware._exchange import exchange_of, headers_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["Cors"]

_VARY = (b"vary", b"origin")


class Cors:
    """Tells browsers which other origins may call, and answers their preflight requests.

    A preflight is answered with 204 before anything else sees it; without the headers of
    permission where the origin is not one of ours. Problems carry the headers too.

    Args:
        app: the application.
        origins: like `https://app.example`; `"*"` for all.
        methods, headers: what such a request may use.
        expose: the response headers that a script may read.
        credentials: allow cookies and Authorization; not together with `"*"`.
        max_age: seconds that a browser may remember a preflight.

    Raises:
        ConfigError: `http.config`, for `"*"` with credentials, or what is no origin.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        origins: Collection[str] | str,
        methods: Collection[str] = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"),
        headers: Collection[str] = ("Authorization", "Content-Type", "Idempotency-Key"),
        expose: Collection[str] = ("X-Request-Id", "Retry-After"),
        credentials: bool = False,
        max_age: int = 600,
    ) -> None:
        self._app = app
        names = [origins] if isinstance(origins, str) else [*origins]
        self._all = "*" in names
        if self._all and credentials:
            message = "CORS: origin * with credentials lets every site act as the user; list them"
            raise HttpConfigError(message)
        for name in names:
            scheme, found, host = name.partition("://")
            if name != "*" and (not found or not scheme or not host or "/" in host):
                message = f"CORS: {name!r} is no origin; write https://app.example"
                raise HttpConfigError(message)
        self._origins = {name.encode("ascii") for name in names}
        permit = [(b"access-control-allow-credentials", b"true")] if credentials else []
        self._simple = permit.copy()
        if expose:
            self._simple.append((b"access-control-expose-headers", _list(expose)))
        self._preflight = [
            *permit,
            (b"access-control-allow-methods", _list(methods)),
            (b"access-control-allow-headers", _list(headers)),
            (b"access-control-max-age", b"%d" % max_age),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange, send = exchange_of(scope, send)
        origin = headers_of(scope).get(b"origin")
        if not self._all:  # a cache must not give one origin's answer to another
            exchange.always.append(_VARY)
        allowed = origin is not None and (self._all or origin in self._origins)
        if allowed:
            assert origin is not None
            exchange.headers.append((b"access-control-allow-origin", b"*" if self._all else origin))
        asked = b"access-control-request-method"
        if scope["method"] == "OPTIONS" and origin is not None and asked in headers_of(scope):
            given = [*self._preflight] if allowed else []
            await send({"type": "http.response.start", "status": 204, "headers": given})
            await send({"type": "http.response.body", "body": b""})
            return
        if allowed:
            exchange.headers += self._simple
        await self._app(scope, receive, send)


def _list(names: Collection[str]) -> bytes:
    return ", ".join(names).encode("ascii")
