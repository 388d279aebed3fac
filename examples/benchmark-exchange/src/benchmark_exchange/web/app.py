"""The ASGI application: routes, the one way an error becomes an answer, and the headers of all."""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from pathlib import Path

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from benchmark_exchange.domain.errors import NoSuchThing
from benchmark_exchange.domain.ids import SubmissionId, UserId
from benchmark_exchange.resources import Resources
from benchmark_exchange.web import pages
from benchmark_exchange.web.api import Api, JsonResponse, board_of, page_of, status_of
from infra_errors import DeadlineExceededError, InfraError, Problem, Secret
from infra_json import dump_bytes

__all__ = ["create_app"]

REQUEST_SECONDS = 15.0
_STATIC = Path(__file__).parent / "static"
_HEADERS = {
    "content-security-policy": "default-src 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
}
_log = logging.getLogger("benchmark_exchange")


def create_app(resources: Resources, token: Secret[str], administrator: UserId) -> ASGIApp:
    """Return the application over open resources; the token is what its writes need."""
    api = Api(resources, token, administrator)
    site = _Site(resources)
    routes = [
        Route("/", site.catalogue),
        Route("/benchmarks/{slug}/leaderboard", site.leaderboard),
        Route("/submissions/{id}", site.submission),
        Route("/v1/benchmarks", api.list_benchmarks),
        Route("/v1/benchmarks/{slug}", api.get_benchmark),
        Route("/v1/benchmarks/{slug}/submissions", api.submit, methods=["POST"]),
        Route("/v1/benchmarks/{slug}/leaderboard", api.get_leaderboard),
        Route("/v1/submissions/{id}", api.get_submission),
        Route("/v1/submissions/{id}/events", api.get_events),
        Route("/health/live", _live),
        Route("/health/ready", site.ready),
        Mount("/static", StaticFiles(directory=_STATIC)),
    ]
    handlers = {InfraError: _failed, HTTPException: _not_routed, Exception: _failed}
    app = Starlette(routes=routes, exception_handlers=handlers)
    return _Hardened(app)


class _Site:
    """The pages."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    async def catalogue(self, request: Request) -> Response:
        limit, cursor = page_of(request)
        status = status_of(request)
        page = await self._resources.catalogue.list(status=status, limit=limit, cursor=cursor)
        html = pages.catalogue(page.items, status=status, next_cursor=page.next_cursor)
        return HTMLResponse(html)

    async def leaderboard(self, request: Request) -> Response:
        return HTMLResponse(pages.leaderboard(await board_of(request, self._resources)))

    async def submission(self, request: Request) -> Response:
        id = SubmissionId.parse(request.path_params["id"])
        shown = await self._resources.submissions.get(id)
        history = await self._resources.submissions.history(id)
        return HTMLResponse(pages.submission(shown, history))

    async def ready(self, request: Request) -> Response:
        """Ready when the database answers."""
        health = await self._resources.db.health()
        body = {"status": "ready" if health.ok else "not ready"}
        return JsonResponse(body, status_code=200 if health.ok else 503)


async def _live(request: Request) -> Response:
    return JsonResponse({"status": "live"})


async def _failed(request: Request, exc: Exception) -> Response:
    problem = Problem.from_error(exc, instance=request.url.path)
    if problem.status and problem.status >= 500:
        _log.error("%s %s failed", request.method, request.url.path, exc_info=exc)
    return _answer(request, problem)


async def _not_routed(request: Request, exc: Exception) -> Response:
    """A path or method that no route has."""
    assert isinstance(exc, HTTPException)
    if exc.status_code == HTTPStatus.NOT_FOUND:
        return await _failed(request, NoSuchThing(f"there is nothing at {request.url.path[:200]}"))
    error = InfraError(str(exc.detail), code="exchange.http", http_status=exc.status_code)
    response = await _failed(request, error)
    response.headers.update(exc.headers or {})
    return response


def _answer(request: Request, problem: Problem) -> Response:
    """A page where a page was asked for, else a problem document (RFC 9457)."""
    status = problem.status or 500
    headers = problem.headers()
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if request.url.path.startswith(("/v1/", "/health/")):
        return Response(dump_bytes(problem.to_dict()), status, headers=headers)
    del headers["Content-Type"]
    html = pages.failure(status, problem.title or "Error", problem.detail)
    return HTMLResponse(html, status, headers=headers)


class _Hardened:
    """Adds the security headers to every response, and ends a request that takes too long."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def send_hardened(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                await self._app(scope, receive, send_hardened)
        except TimeoutError:
            if started:
                raise
            error = DeadlineExceededError("the request took too long")
            response = await _failed(Request(scope), error)
            await response(scope, receive, send_hardened)
