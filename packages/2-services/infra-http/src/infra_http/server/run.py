"""Running an application: on uvicorn or granian, until it is told to end, and then to its end."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
from contextlib import AbstractContextManager, closing, suppress
from typing import TYPE_CHECKING, Any, Literal, Protocol

import attrs

from infra_errors import import_extra
from infra_http.errors import HttpConfigError
from infra_http.middleware._answers import log
from infra_http.server.app import ServerApp
from infra_http.server.drain import Drain
from infra_http.server.ending import Ending, from_signals
from infra_http.server.inflight import InFlight
from infra_http.server.lifespan import Lifespan
from infra_http.server.listening import address, bind, check_certificate, forget
from infra_http.server.settings import SERVERS, ServerSettings

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from starlette.types import ASGIApp

__all__ = ["run", "serve"]

ServerName = Literal["auto", "uvicorn", "granian"]
_CANCEL_GRACE = 2.0  # seconds for what was cancelled
_STREAM_GRACE = 0.3  # seconds for streams to say goodbye when a second signal came
_SOCKET_GRACE = 1.0
_HEADER_BYTES = 65_536


def run(
    app: ASGIApp | str,
    *,
    settings: ServerSettings | None = None,
    server: ServerName = "auto",
    **overrides: Any,
) -> int:
    """Serve until SIGTERM or SIGINT, finish what is under way, and return the exit code.

    On the signal the application is not ready any more and responses close their connections; for
    the drain's `delay` it still accepts, then requests in flight have its `timeout`; what is left
    is cancelled. A second signal cancels at once.

    Args:
        app: any ASGI application, or `"module:attr"`, which more than one worker needs.
        settings: where to listen; a ServerApp brings its own.
        server: `auto` is the setting's, and that one's auto is uvicorn, else granian.
        overrides: fields of the settings.

    Returns:
        0, or 1 when requests were cancelled, or the start or the shutdown failed.

    Raises:
        ConfigError: `http.missing_extra`, `http.cannot_listen`, `http.config`.
    """
    loaded = load(app) if isinstance(app, str) else app
    settings = settings_for(loaded, settings, overrides)
    name = server_name(server, settings)
    if settings.workers > 1:
        from infra_http.server.workers import supervise

        if not isinstance(app, str):
            message = "workers > 1 need the application as module:attr, to import it in each"
            raise HttpConfigError(message)
        return supervise(app, settings, name)
    return in_new_loop(lambda ending: serve_bound(loaded, settings, name, bind(settings), ending))


async def serve(
    app: ASGIApp,
    *,
    sock: socket.socket | None = None,
    settings: ServerSettings | None = None,
    server: ServerName = "auto",
    **overrides: Any,
) -> int:
    """Serve in this event loop, as `run` does in one of its own; one worker.

    Signals are taken over only in the main thread; `await app.start_drain()` ends it as well, and
    cancelling it does without waiting.

    Args:
        app: any ASGI application.
        sock: a bound socket, which is closed at the end; None binds what the settings say.
        settings, server, overrides: as for `run`.

    Raises:
        ConfigError: as `run`.
    """
    settings = settings_for(app, settings, overrides)
    if sock is not None:  # whose file, if it has one, is the caller's
        settings = attrs.evolve(settings, uds=None)
    name = server_name(server, settings)
    ending = Ending()
    with from_signals(ending):
        code, _ = await serve_bound(app, settings, name, sock or bind(settings), ending)
    return code


class _Backend(Protocol):
    ends_sockets: bool  # stopping to accept breaks web sockets off

    async def start(self) -> None: ...
    async def stop_accepting(self) -> None: ...
    async def flushed(self) -> None: ...
    async def close(self) -> None: ...


async def serve_bound(
    app: ASGIApp,
    settings: ServerSettings,
    name: str,
    bound: socket.socket,
    ending: Ending,
    on_ready: Callable[[], object] | None = None,
) -> tuple[int, int]:
    """Return the exit code, and how many tasks would not end."""
    with closing(bound):
        lifespan = Lifespan(app)
        if not await lifespan.start():
            return 1, 0
        drain = app.drain if isinstance(app, ServerApp) else Drain()
        flying = InFlight(app, lifespan.state)
        backend = _backend(name)(
            flying,
            bound,
            settings,
            header_timeout=getattr(app, "header_timeout", 30.0),
            header_bytes=getattr(app, "header_bytes", _HEADER_BYTES),
        )
        cancelled = stuck = 0
        try:
            await backend.start()
            where = address(bound, tls=settings.ssl_certfile is not None)
            if on_ready is not None:
                on_ready()
            else:
                log.info("serving on %s with %s", where, name)
            await first_of(drain.started(), ending.first.wait())
            await _drain(drain, backend, flying, ending)
        finally:
            drain.start()
            drain.cancel()
            cancelled, stuck = await flying.cancel(_CANCEL_GRACE)
            if cancelled:
                log.error("%d requests were cancelled, %d of them went on", cancelled, stuck)
            await backend.close()
            ended_well = await lifespan.stop()
            if on_ready is None:  # the socket is ours, not a parent's
                forget(settings)
        return int(bool(cancelled) or not ended_well), stuck


async def _drain(drain: Drain, backend: _Backend, flying: InFlight, ending: Ending) -> None:
    drain.start()
    log.info("draining: %d under way, accepting for %s s more", len(flying), drain.delay)
    await first_of(ending.second.wait(), seconds=drain.delay)
    if backend.ends_sockets:
        await drain.end_sockets(_SOCKET_GRACE)
    await backend.stop_accepting()
    half = drain.timeout / 2
    for seconds in (half, drain.timeout - half):
        if not ending.second.is_set():
            await first_of(_done(backend, flying), ending.second.wait(), seconds=seconds)
        if not flying:
            return
        drain.end_streams()
    if ending.second.is_set():
        await first_of(flying.wait(), seconds=_STREAM_GRACE)


async def _done(backend: _Backend, flying: InFlight) -> None:
    await flying.wait()
    await backend.flushed()


async def first_of(*coroutines: Any, seconds: float | None = None) -> None:
    """Return when one of them is done, or the time is over; the others are cancelled."""
    tasks = [asyncio.ensure_future(one) for one in coroutines]
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def in_new_loop(
    main: Callable[[Ending], Any],
    asking: Callable[[Ending], AbstractContextManager[None]] = from_signals,
) -> int:
    """Run `main` in a new event loop, uvloop where there is one, and return its exit code."""

    async def body() -> tuple[int, int]:
        ending = Ending()
        with asking(ending):
            result: tuple[int, int] = await main(ending)
            return result

    runner = asyncio.Runner(loop_factory=_loop_factory())
    code, stuck = runner.run(body())
    if not stuck:  # closing waits for every task, and these have shown that they do not end
        runner.close()
    return code


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    with suppress(ImportError):
        import uvloop

        factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
        return factory
    return None


def load(path: str) -> ASGIApp:
    """Import `"module:attr"`.

    Raises:
        ConfigError: `http.config`, there is no such module or attribute.
    """
    module, found, name = path.partition(":")
    if not found or not module or not name:
        message = f"{path!r} is no application; write module:attr"
        raise HttpConfigError(message)
    try:
        value: Any = importlib.import_module(module)
        for part in name.split("."):
            value = getattr(value, part)
    except (ImportError, AttributeError) as exc:
        message = f"cannot load {path}: {exc}"
        raise HttpConfigError(message) from exc
    app: ASGIApp = value
    return app


def settings_for(
    app: ASGIApp, settings: ServerSettings | None, overrides: dict[str, Any]
) -> ServerSettings:
    """Return the settings: those given, else the application's, else the defaults; changed."""
    if settings is None:
        settings = app.settings if isinstance(app, ServerApp) else ServerSettings()
    known = {field.name for field in attrs.fields(ServerSettings)}
    if unknown := sorted(overrides.keys() - known):
        message = f"no server setting is called {', '.join(unknown)}; there are {', '.join(known)}"
        raise HttpConfigError(message)
    changed = attrs.evolve(settings, **overrides)
    check_certificate(changed)
    return changed


def server_name(asked: str, settings: ServerSettings) -> str:
    """Return `uvicorn` or `granian`.

    Raises:
        ConfigError: `http.missing_extra`, with the pip command; `http.config` for another name.
    """
    if asked not in SERVERS:
        message = f"server {asked!r} is not known; take one of {', '.join(SERVERS)}"
        raise HttpConfigError(message)
    name = settings.server if asked == "auto" else asked
    if name != "auto":
        import_extra(name, package="infra-http", extra=name)
        return name
    for candidate in ("uvicorn", "granian"):
        if importlib.util.find_spec(candidate) is not None:
            return candidate
    message = "no server is installed: pip install 'infra-http[uvicorn]'"
    raise HttpConfigError(message, code="http.missing_extra")


def _backend(name: str) -> Callable[..., _Backend]:
    module = importlib.import_module(f"infra_http.server.on_{name}")
    backend: Callable[..., _Backend] = module.Backend
    return backend
