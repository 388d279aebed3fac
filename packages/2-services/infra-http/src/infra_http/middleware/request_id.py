"""The request's id: taken over or made, readable everywhere below, and echoed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry import baggage
from opentelemetry.context import attach, detach

from infra_http.middleware._exchange import exchange_of, headers_of
from infra_http.propagation import (
    IDEMPOTENCY_KEY_HEADER,
    REQUEST_ID_HEADER,
    idempotency_key_var,
    is_request_id,
    request_id_var,
)
from infra_id import ulid_str

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["RequestId"]

_KEY_HEADER = IDEMPOTENCY_KEY_HEADER.lower().encode()


class RequestId:
    """Gives every request an id: `current_request_id()`, `scope["infra.request_id"]`, baggage.

    Args:
        app: the application.
        header: the header that it comes and goes in.
        trust: take over an id that the caller sent, if it is `[A-Za-z0-9._-]{1,128}`; only where
            everybody who can reach the server may write into its logs.
        new: makes an id; a ULID.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        header: str = REQUEST_ID_HEADER,
        trust: bool = False,
        new: Callable[[], str] = ulid_str,
    ) -> None:
        self._app = app
        self._name = header.lower().encode("ascii")
        self._trust = trust
        self._new = new

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "lifespan" or "infra.request_id" in scope:
            await self._app(scope, receive, send)
            return
        id, key = self._read(scope)
        if id is None:
            id = self._new()
        scope["infra.request_id"] = id
        if scope["type"] == "http":
            exchange, send = exchange_of(scope, send)
            exchange.headers.append((self._name, id.encode("ascii")))
        # by value, not by token: a server may end the request in another context
        id_before, key_before = request_id_var.get(), idempotency_key_var.get()
        request_id_var.set(id)
        if key is not key_before:
            idempotency_key_var.set(key)
        token = attach(baggage.set_baggage("request.id", id))
        try:
            await self._app(scope, receive, send)
        finally:
            detach(token)
            request_id_var.set(id_before)
            if key is not key_before:
                idempotency_key_var.set(key_before)

    def _read(self, scope: Scope) -> tuple[str | None, str | None]:
        headers = headers_of(scope)
        id, given = None, headers.get(_KEY_HEADER)
        if self._trust and self._name in headers:
            text = headers[self._name].decode("latin-1")
            id = text if is_request_id(text) else None
        return id, None if given is None else given.decode("latin-1")
