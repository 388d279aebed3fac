"""The application that a builder builds: middleware around routes, with a lifespan and an end."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from infra_http.middleware._answers import log

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.types import ASGIApp, Receive, Scope, Send

    from infra_http.server.drain import Drain
    from infra_http.server.routes import Routes
    from infra_http.server.settings import ServerSettings
    from infra_http.server.threads import Threads

__all__ = ["ServerApp"]


class ServerApp:
    """An ASGI 3 application; `ServerBuilder.build` makes one, `run` and `serve` serve it.

    It works under any ASGI server, and without one in tests.
    """

    def __init__(
        self,
        *,
        name: str,
        settings: ServerSettings,
        chain: ASGIApp,
        routes: Routes,
        drain: Drain,
        threads: Threads,
        lifespans: Sequence[Any],
        document: Callable[[], dict[str, Any]],
        header_timeout: float | None,
        header_bytes: int,
    ) -> None:
        self.name = name
        self.settings = settings
        self.header_timeout = header_timeout
        self.header_bytes = header_bytes
        self.drain = drain
        self.starting = False
        self.chain = chain
        self._routes = routes
        self._threads = threads
        self._lifespans = lifespans
        self._document = document

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, web socket, or the lifespan."""
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
            return
        scope["app"] = self
        scope["router"] = self._routes
        scope["infra.drain"] = self.drain
        self._routes.resolve(scope)
        if (route := scope["infra.route"]) is not None:
            scope["route"] = route.path  # where telemetry looks for the template
        try:
            await self.chain(scope, receive, send)
        finally:
            # a server's `send` knows the scope: with us in it, that is a cycle for the collector
            scope.pop("infra.exchange", None)

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI 3.1 document of all routes, as a copy."""
        return copy.deepcopy(self._document())

    @property
    def draining(self) -> bool:
        """Whether the end has begun: not ready any more."""
        return self.drain.draining

    async def start_drain(self) -> None:
        """Begin the end: not ready from now on, and `serve` stops after the drain's times."""
        self.drain.start()

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with AsyncExitStack() as stack:
            await receive()
            self.starting = True
            try:
                for entry in self._lifespans:
                    manager = entry(self) if callable(entry) else entry
                    found = await stack.enter_async_context(manager)
                    if isinstance(found, Mapping) and "state" in scope:
                        scope["state"].update(found)
            except BaseException as exc:
                log.exception("the start failed")
                what = f"{type(exc).__name__} while starting"
                await send({"type": "lifespan.startup.failed", "message": what})
                raise
            self.starting = False
            await send({"type": "lifespan.startup.complete"})
            await receive()
            try:
                await stack.aclose()
            except BaseException as exc:
                log.exception("the shutdown failed")
                what = f"{type(exc).__name__} while shutting down"
                await send({"type": "lifespan.shutdown.failed", "message": what})
                raise
            finally:
                self._threads.close()
            await send({"type": "lifespan.shutdown.complete"})
