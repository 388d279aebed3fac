"""Web sockets: closed with 1001 when the server goes away."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.websockets import WebSocket, WebSocketDisconnect

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from infra_http.server.drain import Drain

__all__ = ["socket_app"]

GOING_AWAY = 1001  # RFC 6455, section 7.4.1


def socket_app(handler: Callable[[WebSocket], Awaitable[None]]) -> ASGIApp:
    """Return the application that runs the handler on each web socket."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        drain: Drain | None = scope.get("infra.drain")
        if drain is None:
            await handler(WebSocket(scope, receive, send))
            return
        closer = _Closer(receive, send)
        forget = drain.on_end("socket", closer.begin)
        try:
            await handler(WebSocket(scope, closer.receive, closer.send))
        except WebSocketDisconnect:
            pass  # the other side left, or we did, and the handler does not mind
        finally:
            forget()
            if closer.task is not None:
                await asyncio.wait({closer.task})

    return app


class _Closer:
    """Follows the state of a socket, and closes it once when told to.

    The handler's `receive` is taken back first: granian does not send while it waits for a message.
    """

    __slots__ = ("_accepted", "_closed", "_gone", "_receive", "_send", "_waiting", "task")

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._accepted = self._closed = self._gone = False
        self._waiting: asyncio.Future[Message] | None = None
        self.task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        self._gone = True
        if self._accepted and not self._closed:
            self._closed = True
            self.task = asyncio.get_running_loop().create_task(self._close())

    async def _close(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            await asyncio.wait({self._waiting})
        await self._send(
            {"type": "websocket.close", "code": GOING_AWAY, "reason": "the server goes away"}
        )

    async def receive(self) -> Message:
        if self.task is None:
            self._waiting = asyncio.ensure_future(self._receive())
            try:
                return await self._waiting
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if self.task is None or (task is not None and task.cancelling()):
                    raise
            finally:
                self._waiting = None
        return {"type": "websocket.disconnect", "code": GOING_AWAY}

    async def send(self, message: Message) -> None:
        if self.task is not None:
            raise WebSocketDisconnect(GOING_AWAY)
        if message["type"] == "websocket.accept":
            await self._send(message)
            self._accepted = True
            if self._gone:
                self.begin()
            return
        if message["type"] == "websocket.close":
            self._closed = True
        await self._send(message)
