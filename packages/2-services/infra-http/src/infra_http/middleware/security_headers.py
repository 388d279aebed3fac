"""The headers that tell a browser to be careful."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra_http.errors import HttpConfigError
from infra_http.middleware._exchange import exchange_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["SecurityHeaders"]


class SecurityHeaders:
    """Adds security headers to every response that does not set them itself.

    Strict-Transport-Security, Content-Security-Policy, X-Content-Type-Options, Referrer-Policy,
    X-Frame-Options and Cross-Origin-Opener-Policy.

    Args:
        app: the application.
        hsts: seconds for Strict-Transport-Security, sent over https only; None for none.
        csp: the Content-Security-Policy; the default is right for an API. A page sets its own on
            its response. None for none.
        more: other headers, or other values: `referrer_policy="same-origin"`; None leaves one out.

    Raises:
        ConfigError: `http.config`, a value is no header value.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hsts: int | None = 31_536_000,
        csp: str | None = "default-src 'none'",
        **more: str | None,
    ) -> None:
        self._app = app
        texts: dict[str, str | None] = {
            "content_security_policy": csp,
            "x_content_type_options": "nosniff",
            "referrer_policy": "no-referrer",
            "x_frame_options": "DENY",
            "cross_origin_opener_policy": "same-origin",
            **more,
        }
        self._headers = [
            (name.replace("_", "-").encode("ascii"), _checked(name, value))
            for name, value in texts.items()
            if value is not None
        ]
        self._secure = list(self._headers)
        if hsts is not None:
            value = f"max-age={hsts}; includeSubDomains"
            self._secure.append((b"strict-transport-security", value.encode("ascii")))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            exchange, send = exchange_of(scope, send)
            exchange.headers += self._secure if scope["scheme"] == "https" else self._headers
        await self._app(scope, receive, send)


def _checked(name: str, value: str) -> bytes:
    if not isinstance(value, str) or not value.isascii() or not value.isprintable():
        message = f"security header {name}: must be printable ASCII text, or None for none"
        raise HttpConfigError(message)
    return value.encode("ascii")
