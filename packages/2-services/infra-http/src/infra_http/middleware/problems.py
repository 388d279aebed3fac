"""Every error becomes an answer: a problem document (RFC 9457), or what `on_error` makes of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from starlette.requests import ClientDisconnect, Request

from infra_http.errors import MethodNotAllowed, ServerDraining
from infra_http.middleware._answers import judged, log, problem_answer, report
from infra_http.middleware._exchange import exchange_of
from infra_http.responses import Result, to_response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from infra_http.middleware._exchange import Exchange

    ErrorHandler = Callable[[Any, Any], Result | Awaitable[Result]]

__all__ = ["Problems"]

_LINGER_BYTES = 1 << 20
_LINGER_SECONDS = 2.0


class Problems:
    """Answers the errors of the application.

    What is below 500 says what is wrong; from 500 on only that something is, and the log says the
    rest. After the response has started nothing can be answered any more: the error is logged and
    raised, on which the server closes the connection.

    Args:
        app: the application.
        handlers: own answers by exception class, the closest class wins; a handler takes the
            request and the exception and returns what a route's handler may return.
        challenge: `WWW-Authenticate` of a 401 that has none.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        handlers: Mapping[type[BaseException], ErrorHandler] | None = None,
        challenge: str = "Bearer",
    ) -> None:
        self._app = app
        self._handlers = dict(handlers or {})
        self._challenge = challenge

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            exchange, send = exchange_of(scope, send)
            try:
                await self._app(scope, receive, send)
            except ClientDisconnect:
                return
            except asyncio.CancelledError:
                if exchange.started or exchange.drain is None or not exchange.drain.cancelled:
                    raise
                message = "the server is about to stop, and the request took too long for it"
                gone = ServerDraining(message, retry_after=1)
                await self._answer(exchange, gone, scope, receive, send)
            except Exception as exc:  # noqa: BLE001 - whatever it is, the client gets an answer
                await self._answer(exchange, exc, scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _answer(
        self, exchange: Exchange, exc: Exception, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if exchange.started:
            if exchange.complete:  # nobody waits for anything: a background task failed
                report(exc, scope, "failed after its response")
                return
            report(exc, scope, "failed in the middle of its response; the connection is closed")
            raise exc
        if handler := self._handler(exc):
            if isinstance(exc, MethodNotAllowed) and "infra.allow" in scope:
                # RFC 9110 section 15.5.6: a 405 has it, whatever else the handler says
                exchange.headers = [*exchange.headers, (b"allow", scope["infra.allow"])]
            try:
                await self._handled(handler, exc, scope, receive, send)
            except Exception as second:
                report(second, scope, "the error handler failed")
                if exchange.started:
                    raise
                exc = second
            else:
                return
        elif judged(exc).http_status >= 500:
            report(exc, scope, "failed")
        status, headers, body = problem_answer(exc, scope, challenge=self._challenge)
        exchange.closes |= status in {408, 413, 414, 431}
        await send({"type": "http.response.start", "status": status, "headers": headers})
        if status == 413 and exchange.is_http1 and "infra.body_ended" not in scope:
            await _linger(receive, send, body, scope)
        else:
            await send({"type": "http.response.body", "body": body})

    def _handler(self, exc: Exception) -> ErrorHandler | None:
        if self._handlers:
            for kind in type(exc).__mro__:
                if kind in self._handlers:
                    return self._handlers[kind]
        return None

    async def _handled(
        self, handler: ErrorHandler, exc: Exception, scope: Scope, receive: Receive, send: Send
    ) -> None:
        result: Any = handler(Request(scope, receive), exc)
        if hasattr(result, "__await__"):
            result = await result
        await to_response(result)(scope, receive, send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        open_ = True

        async def noted(message: Message) -> None:
            nonlocal open_
            if message["type"] in {"websocket.close", "websocket.http.response.start"}:
                open_ = False
            await send(message)

        async def heard() -> Message:
            nonlocal open_
            message = await receive()
            if message["type"] == "websocket.disconnect":
                open_ = False
            return message

        try:
            await self._app(scope, heard, noted)
        except Exception as exc:  # noqa: BLE001 - whatever it is, the socket gets closed
            ours = judged(exc).http_status >= 500
            if ours and open_:
                report(exc, scope, "failed")
            elif not open_:
                log.debug("a web socket ended with %s after its close", type(exc).__name__)
            if open_:  # before the socket was accepted servers make a 403 of it
                await send({"type": "websocket.close", "code": 1011 if ours else 1008})


async def _linger(receive: Receive, send: Send, body: bytes, scope: Scope) -> None:
    """Send the answer and read on for a moment before the connection is closed.

    Closing it while the client is still sending resets it, and the client never sees the answer.
    """
    await send({"type": "http.response.body", "body": body, "more_body": True})
    headers = scope["headers"]
    if not any(name == b"expect" for name, _ in headers):  # such a client has sent nothing yet
        left = _LINGER_BYTES
        try:
            async with asyncio.timeout(_LINGER_SECONDS):
                while left > 0:
                    message = await receive()
                    left -= len(message.get("body", b""))
                    if not message.get("more_body", False):
                        break
        except TimeoutError:
            pass
    await send({"type": "http.response.body", "body": b""})
