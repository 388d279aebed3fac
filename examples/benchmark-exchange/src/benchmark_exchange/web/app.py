"""The ASGI application: the routes, and the one way an error becomes an answer."""

from __future__ import annotations

import logging
from pathlib import Path

from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from benchmark_exchange.domain.errors import NoSuchThing
from benchmark_exchange.domain.ids import SubmissionId, UserId
from benchmark_exchange.resources import Resources
from benchmark_exchange.web import pages
from benchmark_exchange.web.api import MAX_BODY, Api, board_of, page_of, status_of
from infra_errors import Problem, Secret
from infra_http import Request, RouteNotFound, ServerApp, ServerBuilder, current_request_id, problem
from infra_otel import OtelMiddleware

__all__ = ["create_app"]

REQUEST_SECONDS = 15.0
_STATIC = Path(__file__).parent / "static"
_log = logging.getLogger("benchmark_exchange")


def create_app(resources: Resources, token: Secret[str], administrator: UserId) -> ServerApp:
    """Return the application over open resources; the token is what its writes need."""
    api = Api(resources, token, administrator)
    site = _Site(resources)
    return (
        ServerBuilder("benchmark-exchange")
        .route("/", site.catalogue, include_in_schema=False)
        .route("/benchmarks/{slug}/leaderboard", site.leaderboard, include_in_schema=False)
        .route("/submissions/{id}", site.submission, include_in_schema=False)
        .route("/v1/benchmarks", api.list_benchmarks)
        .route("/v1/benchmarks/{slug}", api.get_benchmark)
        .route("/v1/benchmarks/{slug}/submissions", api.submit, methods=["POST"])
        .route("/v1/benchmarks/{slug}/leaderboard", api.get_leaderboard)
        .route("/v1/submissions/{id}", api.get_submission)
        .route("/v1/submissions/{id}/events", api.get_events)
        .mount("/static", StaticFiles(directory=_STATIC))
        .openapi("/v1/openapi.json")
        .health(ready={"database": resources.db.ping})
        .limits(max_body=MAX_BODY, request_timeout=REQUEST_SECONDS)
        .security_headers(
            csp="default-src 'self'; frame-ancestors 'none'", referrer_policy="same-origin"
        )
        .on_error(Exception, _failed)
        .around(OtelMiddleware)
        .drain(delay=0, timeout=resources.settings.drain_seconds)
        .build()
    )


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


def _failed(request: Request, exc: Exception) -> Response:
    """A page where a page was asked for, else a problem document (RFC 9457)."""
    path = request.url.path
    if isinstance(exc, RouteNotFound):
        exc = NoSuchThing(f"there is nothing at {path[:200]}")
    told = Problem.from_error(exc, instance=path, request_id=current_request_id())
    status = told.status or 500
    if status >= 500:
        _log.error("%s %s failed", request.method, path, exc_info=exc)
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    if path.startswith(("/v1/", "/health/")):
        return problem(told, headers=headers)
    kept = {name: value for name, value in told.headers().items() if name != "Content-Type"}
    html = pages.failure(status, told.title or "Error", told.detail)
    return HTMLResponse(html, status, headers=kept | headers)
