"""uvicorn, stopped in our order: first the listener, then what is idle, then what is done."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from infra_errors import Problem
from infra_json import dump_bytes

if TYPE_CHECKING:
    import socket

    from starlette.types import ASGIApp

    from infra_http.server.settings import ServerSettings

__all__ = ["Backend"]

_KEEP_ALIVE = 75.0  # longer than the 60 s of the usual balancer, which must be the one to close


class Backend:
    """One uvicorn in this event loop."""

    ends_sockets = False

    def __init__(
        self,
        app: ASGIApp,
        bound: socket.socket,
        settings: ServerSettings,
        *,
        header_timeout: float | None,
        header_bytes: int,
    ) -> None:
        def protocol(**options: Any) -> _Protocol:
            return _Protocol(header_timeout, header_bytes, **options)

        config = uvicorn.Config(
            app,
            http=protocol,  # type: ignore[arg-type]  # a factory is all that uvicorn calls
            loop="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=int(_KEEP_ALIVE),
            ssl_certfile=settings.ssl_certfile,
            ssl_keyfile=settings.ssl_keyfile,
        )
        self._bound = bound
        self._server = uvicorn.Server(config)
        self._loop: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Accept connections."""
        config = self._server.config
        config.load()
        self._server.lifespan = config.lifespan_class(config)
        await self._server.startup(sockets=[self._bound])
        self._loop = asyncio.create_task(self._server.main_loop())

    async def stop_accepting(self) -> None:
        """Close the listener and the connections that are idle; the others close when they are."""
        for server in self._server.servers:
            server.close()
        self._bound.close()
        for connection in [*self._server.server_state.connections]:
            if isinstance(connection, HttpToolsProtocol):
                connection.shutdown()

    async def flushed(self) -> None:
        """Return once all that was written has left."""
        while self._server.server_state.connections:  # noqa: ASYNC110 - uvicorn tells nobody
            await asyncio.sleep(0.02)

    async def close(self) -> None:
        """Cut what is left."""
        for connection in [*self._server.server_state.connections]:
            if (transport := connection.transport) is not None:
                transport.abort()
        self._server.should_exit = True
        if self._loop is not None:
            await self._loop


class _Protocol(HttpToolsProtocol):
    """Ends connections whose request line and headers do not arrive, or do not end.

    uvicorn itself waits for ever for them, and keeps all of them that come.
    """

    def __init__(self, timeout: float | None, limit: int, **options: Any) -> None:
        super().__init__(**options)
        self._timeout = timeout
        self._limit = limit
        self._seen = 0
        self._in_headers = True  # nothing has come, and the time runs
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        self._in_headers = True
        self._seen = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_headers = False
        self._disarm()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._disarm()
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_headers:
            self._seen += len(data)
            if self._seen > self._limit:
                self._refuse(431, "the headers are too large")
            elif self._timer is None:
                self._arm()
        elif self._timer is None and self.cycle is not None and self.cycle.response_complete:
            self._arm()  # the rest of a body that nobody reads

    def _arm(self) -> None:
        if self._timeout is not None and not self.transport.is_closing():
            self._timer = self.loop.call_later(self._timeout, self._expired)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expired(self) -> None:
        self._timer = None
        if self._in_headers and self._seen:
            self._refuse(408, "the request did not arrive in time")
        elif not self.transport.is_closing():
            self.transport.close()

    def _refuse(self, status: int, detail: str) -> None:
        if self.transport.is_closing():
            return
        problem = Problem(status=status, title=detail)
        body = dump_bytes(problem.to_dict())
        self.transport.write(
            b"HTTP/1.1 %d \r\ncontent-type: application/problem+json\r\n"
            b"content-length: %d\r\nconnection: close\r\n\r\n%b" % (status, len(body), body)
        )
        self.transport.close()
