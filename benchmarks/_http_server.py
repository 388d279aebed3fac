"""The server's rows of bench_http.py: a JSON route with all middleware on, beside its peers.

In process the applications are called as a server calls them; over a socket each side runs in its
own uvicorn process, and one raw client per connection sends the next request when it has the
answer. FastAPI has the same middleware, or the nearest that its ecosystem offers: request id,
access log, security headers, CORS, a timeout, auth, and limits of body and headers.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _bench import Row, at_most_times, faster
from fastapi import Request  # noqa: TC002 - FastAPI looks the names of annotations up here

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from _bench import Timer

__all__ = ["running", "server_rows"]

BODY = {"id": "01J8ZQ4T6M3V5W7X9Y1A2B3C4D", "name": "disk", "sizes": [1, 2, 3], "ok": True}
HEADERS = [
    (b"host", b"127.0.0.1"),
    (b"user-agent", b"bench/1"),
    (b"accept", b"application/json"),
    (b"accept-encoding", b"gzip"),
    (b"authorization", b"Bearer token"),
    (b"origin", b"https://app.example"),
]
REQUEST = (
    b"GET /items/7 HTTP/1.1\r\n" + b"".join([k + b": " + v + b"\r\n" for k, v in HEADERS]) + b"\r\n"
)
CONNECTIONS = 16


class _Silent(logging.Handler):
    """Formats each record, as a handler does, and writes it nowhere."""

    def emit(self, record: logging.LogRecord) -> None:
        self.format(record)


def _logger(name: str) -> logging.Logger:
    logger = logging.getLogger(name)
    logger.addHandler(_Silent())
    logger.setLevel(logging.INFO)
    logger.propagate = False
    return logger


def ours() -> Any:
    """ServerApp with every middleware that the builder has."""
    from infra_http.server import ServerBuilder, ServerSettings

    async def auth(request: Any) -> str:
        return str(request.headers["authorization"])

    async def limit(request: Any) -> None:
        return None

    async def item(request: Any) -> dict[str, Any]:
        return {**BODY, "number": request.path_params["id"]}

    _logger("infra_http.access")
    settings = ServerSettings(trusted_proxies=("10.0.0.0/8",))
    return (
        ServerBuilder("bench", settings=settings)
        .route("/items/{id:int}", item)
        .limits(max_concurrency=1000)
        .security_headers()
        .cors(["https://app.example"])
        .auth(auth)
        .rate_limit(limit)
        .idempotency()
        .health()
        .openapi()
        .build()
    )


def bare_starlette() -> Any:
    """One route, and only what Starlette itself puts around it."""
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    async def item(request: Any) -> JSONResponse:
        return JSONResponse({**BODY, "number": request.path_params["id"]})

    return Starlette(routes=[Route("/items/{id:int}", item)])


def fastapi_with_the_same() -> Any:
    """FastAPI with middleware for the same, written as its documentation shows it."""
    import uuid

    from fastapi import Depends, FastAPI
    from fastapi.middleware.cors import CORSMiddleware
    from fastapi.responses import JSONResponse

    log = _logger("bench.fastapi")

    async def auth(request: Request) -> str:
        return str(request.headers["authorization"])

    app = FastAPI()
    app.add_middleware(CORSMiddleware, allow_origins=["https://app.example"])

    @app.middleware("http")
    async def headers(request: Request, call_next: Any) -> Any:
        response = await call_next(request)
        response.headers["content-security-policy"] = "default-src 'none'"
        response.headers["x-content-type-options"] = "nosniff"
        response.headers["referrer-policy"] = "no-referrer"
        response.headers["x-frame-options"] = "DENY"
        response.headers["cross-origin-opener-policy"] = "same-origin"
        return response

    @app.middleware("http")
    async def limits(request: Request, call_next: Any) -> Any:
        if int(request.headers.get("content-length", "0")) > 1 << 20:
            return JSONResponse({"detail": "too large"}, 413)
        if len(request.headers) > 100:
            return JSONResponse({"detail": "too large"}, 431)
        async with asyncio.timeout(30):
            return await call_next(request)

    @app.middleware("http")
    async def ids_and_log(request: Request, call_next: Any) -> Any:
        id, started = str(uuid.uuid4()), time.monotonic()
        response = await call_next(request)
        response.headers["x-request-id"] = id
        took = (time.monotonic() - started) * 1000
        log.info("%s %s %d %.1f ms", request.method, request.url.path, response.status_code, took)
        return response

    @app.get("/items/{id}")
    async def item(id: int, identity: str = Depends(auth)) -> dict[str, Any]:
        return {**BODY, "number": id}

    return app


APPS: dict[str, Callable[[], Any]] = {
    "ours": ours,
    "starlette": bare_starlette,
    "fastapi": fastapi_with_the_same,
}


# ---- in process ----------------------------------------------------------------------------------


async def _receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


def in_process(app: Any) -> Timer:
    """Time calls of the application, one after the other."""

    async def repeat(times: int) -> float:
        statuses = set()

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                statuses.add(message["status"])

        start = time.perf_counter()
        for _ in range(times):
            scope = {
                "type": "http",
                "asgi": {"version": "3.0", "spec_version": "2.3"},
                "http_version": "1.1",
                "method": "GET",
                "scheme": "http",
                "path": "/items/7",
                "raw_path": b"/items/7",
                "query_string": b"",
                "root_path": "",
                "headers": HEADERS,
                "client": ("127.0.0.1", 1),
                "server": ("127.0.0.1", 80),
                "state": {},
            }
            await app(scope, _receive, send)
        took = time.perf_counter() - start
        assert statuses == {200}, statuses
        return took

    return lambda times: asyncio.run(repeat(times))


# ---- over a socket -------------------------------------------------------------------------------


class running:  # noqa: N801 - reads as a verb
    """The applications, each in a uvicorn process, as long as the body runs."""

    def __enter__(self) -> dict[str, int]:
        self._processes = []
        ports = {}
        for name in APPS:
            with socket.create_server(("127.0.0.1", 0)) as free:
                ports[name] = free.getsockname()[1]
            command = [sys.executable, str(Path(__file__)), name, str(ports[name])]
            self._processes.append(subprocess.Popen(command))
        for port in ports.values():
            _wait_for(port)
        return ports

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
            process.wait()


def _wait_for(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    message = f"nothing listens on {port}"
    raise RuntimeError(message)


def over_socket(port: int) -> Timer:
    """Time requests over CONNECTIONS connections, kept alive."""

    async def one(times: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(times):
            writer.write(REQUEST)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            length = head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]
            await reader.readexactly(int(length))
        writer.close()

    async def repeat(times: int) -> float:
        each = max(1, times // CONNECTIONS)
        start = time.perf_counter()
        await asyncio.gather(*[one(each) for _ in range(CONNECTIONS)])
        return (time.perf_counter() - start) * times / (each * CONNECTIONS)

    return lambda times: asyncio.run(repeat(times))


def server_rows(ports: dict[str, int]) -> Iterator[Row]:
    """Return the rows; `with running() as ports` makes what they need."""
    made = {name: make() for name, make in APPS.items()}
    for what, timers in (
        ("JSON route, all middleware on, uvicorn", {n: over_socket(p) for n, p in ports.items()}),
        ("JSON route, all middleware on, in process", {n: in_process(a) for n, a in made.items()}),
    ):
        mine = timers["ours"]
        yield Row(what, mine, at_most_times(1 / 0.7), timers["starlette"], "bare Starlette")
        yield Row(what, mine, faster(1.5), timers["fastapi"], "FastAPI, equal middleware")


def _serve(name: str, port: int) -> None:
    import uvicorn

    uvicorn.run(
        APPS[name](),
        port=port,
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        lifespan="off",
    )


if __name__ == "__main__":
    _serve(sys.argv[1], int(sys.argv[2]))
