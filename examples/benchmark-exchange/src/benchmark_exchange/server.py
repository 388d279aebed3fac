"""Serving: a socket that is ours before anything is promised, and a stop that finishes its work."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn

from benchmark_exchange.resources import Resources, admin_token
from benchmark_exchange.web.app import create_app
from infra_errors import ConfigError

__all__ = ["address", "listen", "running", "serve"]


def listen(host: str, port: int) -> socket.socket:
    """Return a socket bound to the address; ConfigError when it is in use or not ours to take."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(128)
    except (OSError, OverflowError, UnicodeError) as exc:
        bound.close()
        why = getattr(exc, "strerror", None) or exc
        message = f"cannot listen on {host}:{port}: {why}; choose another --host or --port"
        raise ConfigError(message, code="exchange.cannot_listen") from exc
    bound.setblocking(False)
    return bound


def address(bound: socket.socket) -> str:
    """Return the URL that a bound socket answers at."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def serve(resources: Resources, bound: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT; then take no more, and finish what runs, within its time."""
    server = await _server(resources)
    # uvicorn raises the signal that stopped it once more when it is done; a stop that was asked
    # for and went well is no failure.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    await server.serve(sockets=[bound])


@asynccontextmanager
async def running(resources: Resources) -> AsyncIterator[str]:
    """Serve on a free port of this machine while the body runs; yield the URL."""
    bound = listen("127.0.0.1", 0)
    server = await _server(resources, log_level="warning")
    task = asyncio.create_task(server._serve(sockets=[bound]))
    try:
        while not server.started:
            await asyncio.sleep(0.01)
            if task.done():
                task.result()
        yield address(bound)
    finally:
        server.should_exit = True
        await task


async def _server(resources: Resources, *, log_level: str | None = None) -> uvicorn.Server:
    settings = resources.settings
    administrator = await resources.catalogue.administrator()
    app = create_app(resources, admin_token(settings), administrator)
    return uvicorn.Server(
        uvicorn.Config(
            app,
            log_level=log_level or settings.log_level,
            access_log=settings.log_level == "debug",
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=round(settings.drain_seconds),
        )
    )
