"""What the server's tests share: a client without a socket, and a server with one."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import asynccontextmanager
from typing import Any

import attrs
import httpx2
import pytest

from infra_http.server import ServerApp, serve

TIMEOUT = 30.0


@pytest.fixture
def ask():
    """Ask an application without a socket; what it raises is raised, as a server would see it."""

    async def ask(app: Any, method: str, path: str, **options: Any) -> httpx2.Response:
        transport = httpx2.ASGITransport(app)
        base = options.pop("base_url", "http://testserver")
        async with httpx2.AsyncClient(transport=transport, base_url=base) as client:
            return await client.request(method, path, **options)

    return ask


@pytest.fixture
def call():
    """Call an application with one scope and a list of messages; return what it sent."""

    async def call(app: Any, messages: list[dict[str, Any]] | None = None, **scope: Any):
        sent: list[dict[str, Any]] = []
        queue = list(messages or [{"type": "http.request", "body": b"", "more_body": False}])

        async def receive() -> dict[str, Any]:
            if queue:
                return queue.pop(0)
            await asyncio.sleep(TIMEOUT)
            raise AssertionError("nothing more is coming")

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        full = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": "/",
            "raw_path": b"/",
            "query_string": b"",
            "root_path": "",
            "headers": [],
            "client": ("192.0.2.7", 1234),
            "server": ("testserver", 80),
            **scope,
        }
        await app(full, receive, send)
        return sent

    return call


@attrs.frozen
class Served:
    """A server that runs."""

    port: int
    app: ServerApp
    task: asyncio.Task[int]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def raw(self, data: bytes) -> bytes:
        """Send bytes and return all that comes until the server closes the connection."""
        reader, writer = await self.connect()
        try:
            writer.write(data)
            async with asyncio.timeout(TIMEOUT):
                return await reader.read()
        finally:
            writer.close()

    async def end(self) -> int:
        await self.app.start_drain()
        return await asyncio.wait_for(asyncio.shield(self.task), TIMEOUT)


@pytest.fixture(params=["uvicorn", "granian"])
def server_name(request: pytest.FixtureRequest) -> str:
    """Each of the servers that are installed."""
    pytest.importorskip(request.param)
    return request.param


@pytest.fixture
def served(server_name: str):
    """Serve an application on a free port while the body runs."""

    @asynccontextmanager
    async def served(app: ServerApp, **options: Any):
        bound = socket.create_server(("127.0.0.1", 0))
        bound.setblocking(False)
        port = bound.getsockname()[1]
        task = asyncio.create_task(serve(app, sock=bound, server=server_name, **options))
        one = Served(port, app, task)
        try:
            yield one
        finally:
            if not task.done():
                await one.end()

    return served


@pytest.fixture
def records():
    """The records of a logger, from INFO on."""
    handlers = []

    def listen(name: str) -> list[logging.LogRecord]:
        found: list[logging.LogRecord] = []
        handler = logging.Handler(logging.INFO)
        handler.emit = found.append  # type: ignore[method-assign]  # a handler in one line
        logger = logging.getLogger(name)
        handlers.append((logger, handler, logger.level))
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        return found

    yield listen
    for logger, handler, level in handlers:
        logger.removeHandler(handler)
        logger.setLevel(level)
