"""Serving: a socket that is ours before anything is promised, and a stop that finishes its work."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import infra_http
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


async def serve(resources: Resources, bound: socket.socket) -> int:
    """Serve until SIGTERM or SIGINT, finish what runs within its time, return the exit code."""
    return await infra_http.serve(await _app(resources), sock=bound)


@asynccontextmanager
async def running(resources: Resources) -> AsyncIterator[str]:
    """Serve on a free port of this machine while the body runs; yield the URL."""
    bound = listen("127.0.0.1", 0)
    app = await _app(resources)
    url = address(bound)
    # The socket listens already: who comes before the server is up waits.
    task = asyncio.create_task(infra_http.serve(app, sock=bound))
    try:
        yield url
    finally:
        await app.start_drain()
        await task


async def _app(resources: Resources) -> infra_http.ServerApp:
    administrator = await resources.catalogue.administrator()
    return create_app(resources, admin_token(resources.settings), administrator)
