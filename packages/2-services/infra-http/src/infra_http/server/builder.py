"""The builder: says in one expression what a server is, and checks it before it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from infra_http.errors import HttpConfigError
from infra_http.health import Health, body_of, readiness
from infra_http.middleware.access_log import AccessLog
from infra_http.middleware.auth import Auth
from infra_http.middleware.capacity import Capacity
from infra_http.middleware.cors import Cors
from infra_http.middleware.deadline import DeadlineHeader
from infra_http.middleware.idempotency import Idempotency
from infra_http.middleware.limits import Limits
from infra_http.middleware.problems import Problems
from infra_http.middleware.proxies import TrustedProxies
from infra_http.middleware.rate_limit import RateLimit
from infra_http.middleware.request_id import RequestId
from infra_http.middleware.security_headers import SecurityHeaders
from infra_http.middleware.timeout import Timeout
from infra_http.openapi import Document
from infra_http.propagation import REQUEST_ID_HEADER
from infra_http.responses import json_response
from infra_http.server.app import ServerApp
from infra_http.server.declaring import RouteDeclarations
from infra_http.server.drain import Drain
from infra_http.server.routes import Route, Routes, dispatch, http_app
from infra_http.server.settings import ServerSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from starlette.responses import Response
    from starlette.types import ASGIApp

    from infra_http.health import Check
    from infra_http.middleware.auth import AuthHook
    from infra_http.middleware.idempotency_store import IdempotencyStore
    from infra_http.middleware.problems import ErrorHandler
    from infra_http.middleware.rate_limit import RateLimitHook

__all__ = ["ServerBuilder"]


class ServerBuilder(RouteDeclarations):
    """Puts a server together; each call returns the builder, `build` the application, once.

    Without further calls there are request ids, an access log, problem documents, limits, a
    deadline and a drain. Security headers, CORS, auth, rate limits, idempotency, health and the
    OpenAPI document come with their calls.

    Args:
        name: the service's name, the title of its OpenAPI document.
        version: its version there.
        settings: where `run` listens, and the proxies that are believed.
    """

    def __init__(
        self,
        name: str,
        *,
        version: str = "0.1.0",
        settings: ServerSettings | None = None,
    ) -> None:
        super().__init__()
        self._name = name
        self._version = version
        self._settings = settings or ServerSettings()
        self._user: list[tuple[Callable[..., ASGIApp], dict[str, Any]]] = []
        self._around: list[tuple[Callable[..., ASGIApp], dict[str, Any]]] = []
        self._errors: dict[type[BaseException], ErrorHandler] = {}
        self._lifespans: list[Any] = []
        self._options: dict[str, dict[str, Any]] = {}
        self._early_rates: list[RateLimitHook] = []
        self._rates: list[RateLimitHook] = []
        self._limits: dict[str, Any] = {}
        self._health: tuple[Health, Health, tuple[str, str]] | None = None
        self._drain = Drain()
        self._document: dict[str, Any] | None = None
        self._app: ServerApp
        self._built = False

    # ---- around them -----------------------------------------------------------------------------

    def middleware(self, factory: Callable[..., ASGIApp], **options: Any) -> Self:
        """Add raw ASGI middleware, `factory(app, **options)`, before auth; the first is outermost.

        It sees errors as exceptions; what must see their answers goes `around`.
        """
        self._user.append((factory, options))
        return self

    def around(self, factory: Callable[..., ASGIApp], **options: Any) -> Self:
        """Add raw ASGI middleware around all of ours, which sees the final answer: telemetry.

        `scope["route"]` has the template already.
        """
        self._around.append((factory, options))
        return self

    def on_error(self, exc_type: type[BaseException], handler: ErrorHandler) -> Self:
        """Answer an exception class with what a handler of (request, exception) returns."""
        self._errors[exc_type] = handler
        return self

    def lifespan(self, *managers: Any) -> Self:
        """Enter asynchronous context managers at the start and leave them at the end.

        Each is one, or a function of the application that returns one. A mapping that it yields is
        added to `request.state`.
        """
        self._lifespans += managers
        return self

    def health(
        self,
        ready: Mapping[str, Check] | None = None,
        live: Mapping[str, Check] | None = None,
        *,
        optional: Collection[str] = (),
        timeout: float = 2.0,
        paths: tuple[str, str] = ("/health/live", "/health/ready"),
    ) -> Self:
        """Answer health checks; see `Health`. They need no auth and are neither logged nor limited.

        Ready is 503 during the start, the drain, and while a check is down that is not optional;
        live only while a live check is down.
        """
        ready, live = ready or {}, live or {}
        if unknown := sorted({*optional} - ready.keys() - live.keys()):
            message = f"health: no check is called {', '.join(unknown)}"
            raise HttpConfigError(message)
        self._health = (
            Health(live, optional={*optional} & live.keys(), timeout=timeout),
            Health(ready, optional={*optional} & ready.keys(), timeout=timeout),
            paths,
        )
        return self

    def limits(
        self,
        max_body: int | None = 1 << 20,
        max_headers: int = 100,
        max_header_bytes: int = 32768,
        max_target: int = 8192,
        request_timeout: float | None = 30.0,
        body_timeout: float | None = 30.0,
        max_concurrency: int | None = None,
    ) -> Self:
        """Bound requests: bytes, counts and seconds; see `Limits`, `Timeout` and `Capacity`."""
        self._limits = {name: value for name, value in locals().items() if name != "self"}
        for name, value in self._limits.items():
            if value is not None and not value > 0:
                message = f"limits: {name} must be above 0"
                raise HttpConfigError(message)
        return self

    def cors(self, origins: Collection[str] | str, **options: Any) -> Self:
        """Allow browsers of other origins; options as `Cors`: methods, headers, credentials, …."""
        return self._once("cors", Cors, {"origins": origins, **options})

    def security_headers(
        self,
        hsts: int | None = 31_536_000,
        csp: str | None = "default-src 'none'",
        **more: str | None,
    ) -> Self:
        """Add security headers where a response has none of its own; see `SecurityHeaders`."""
        return self._once("security_headers", SecurityHeaders, {"hsts": hsts, "csp": csp, **more})

    def request_ids(self, header: str = REQUEST_ID_HEADER, trust: bool = False) -> Self:
        """Say which header request ids come in, and whether a caller's is taken over."""
        return self._once("request_ids", RequestId, {"header": header, "trust": trust})

    def auth(
        self, hook: AuthHook, *, challenge: str = "Bearer", exclude: Collection[str] = ()
    ) -> Self:
        """Ask a hook who is there before each route with `auth=True`; see `Auth`."""
        options = {"hook": hook, "challenge": challenge, "exclude": exclude}
        return self._once("auth", Auth, options)

    def rate_limit(self, hook: RateLimitHook, *, before_auth: bool = False) -> Self:
        """Ask a hook whether a request goes through; see `RateLimit`. May be called for both."""
        (self._early_rates if before_auth else self._rates).append(hook)
        return self

    def idempotency(self, store: IdempotencyStore | None = None, ttl: float = 86400.0) -> Self:
        """Answer a repeated POST or PATCH with an `Idempotency-Key` from a store.

        See `Idempotency`; without a store answers are kept in this process.
        """
        return self._once("idempotency", Idempotency, {"store": store, "ttl": ttl})

    def drain(self, delay: float = 5.0, timeout: float = 30.0) -> Self:
        """Say how the server ends: seconds that it still accepts, and seconds to finish then."""
        self._drain = Drain(delay=delay, timeout=timeout)
        return self

    def openapi(
        self,
        path: str | None = "/openapi.json",
        *,
        info: Mapping[str, Any] | None = None,
        schema_of: Callable[[Any], dict[str, Any]] | None = None,
    ) -> Self:
        """Serve the OpenAPI 3.1 document of all routes, without auth.

        Args:
            path: where; None only for `ServerApp.openapi()`.
            info: members of its `info` besides title and version.
            schema_of: makes the JSON Schema of a type; the default knows attrs, dataclasses,
                Literal, Enum, unions, containers, datetime, UUID and the like.
        """
        self._document = {"path": path, "info": info, "schema_of": schema_of}
        return self

    # ---- the end ---------------------------------------------------------------------------------

    def build(self) -> ServerApp:
        """Return the application. A second time is a ConfigError."""
        if self._built:
            message = "build() was called already: an application has one lifespan and one drain"
            raise HttpConfigError(message)
        self._built = True
        options = self._document or {"path": None, "info": None, "schema_of": None}
        document = Document(
            self._name,
            self._version,
            self._routes,
            info=options["info"],
            schema_of=options["schema_of"],
            challenge=self._options["auth"]["challenge"] if "auth" in self._options else None,
            exclude=self._options.get("auth", {}).get("exclude", ()),
        )
        routes = list(self._routes)
        if options["path"] is not None:

            async def openapi(request: Any) -> Response:
                return json_response(document.make())

            routes.append(self._own(options["path"], openapi))
        app = ServerApp(
            name=self._name,
            settings=self._settings,
            chain=dispatch,
            routes=Routes([*routes, *self._health_routes()]),
            drain=self._drain,
            threads=self._threads,
            lifespans=self._lifespans,
            document=document.make,
            header_timeout=self._limits.get("body_timeout", 30.0),
            # beyond what Limits answers: here the server gives up on the connection
            header_bytes=2
            * (self._limits.get("max_header_bytes", 32768) + self._limits.get("max_target", 8192)),
        )
        self._app = app
        app.chain = self._chain()
        return app

    def _chain(self) -> ASGIApp:
        """Return the middleware around the routes, built from the inside out."""
        limits = dict(self._limits)
        seconds = limits.pop("request_timeout", 30.0)
        concurrency = limits.pop("max_concurrency", None)
        challenge = self._options.get("auth", {}).get("challenge", "Bearer")
        errors = tuple(self._errors)
        app: ASGIApp = dispatch
        app = self._with("idempotency", Idempotency, app, leave=errors)
        for hook in reversed(self._rates):
            app = RateLimit(app, hook=hook)
        app = self._with("auth", Auth, app)
        for hook in reversed(self._early_rates):
            app = RateLimit(app, hook=hook)
        for factory, options in reversed(self._user):
            app = factory(app, **options)
        app = DeadlineHeader(Timeout(app, limit=seconds), limit=seconds)
        app = self._with("cors", Cors, app)
        app = self._with("security_headers", SecurityHeaders, app)
        app = Limits(app, **limits)
        app = Capacity(app, max_concurrency=concurrency, drain=self._drain)
        if self._settings.trusted_proxies:
            app = TrustedProxies(app, trusted=self._settings.trusted_proxies)
        app = AccessLog(Problems(app, handlers=self._errors, challenge=challenge))
        app = RequestId(app, **self._options.get("request_ids", {}))
        for factory, options in reversed(self._around):
            app = factory(app, **options)
        return app

    def _health_routes(self) -> list[Route]:
        if self._health is None:
            return []
        live, ready, (live_path, ready_path) = self._health

        async def health_live(request: Any) -> Response:
            report = await live.report()
            return json_response(body_of(report), report.http_status, _NO_STORE)

        async def health_ready(request: Any) -> Response:
            report = await readiness(ready, self._drain, is_starting=self._app.starting)
            return json_response(body_of(report), report.http_status, _NO_STORE)

        return [
            self._own(live_path, health_live, quiet=True),
            self._own(ready_path, health_ready, quiet=True),
        ]

    def _own(self, path: str, handler: Callable[[Any], Any], *, quiet: bool = False) -> Route:
        return Route(
            path=path,
            app=http_app(handler, self._threads),
            methods=("GET",),
            handler=handler,
            name=handler.__name__,
            auth=False,
            include_in_schema=False,
            quiet=quiet,
        )

    def _once(self, name: str, middleware: Callable[..., ASGIApp], options: dict[str, Any]) -> Self:
        middleware(dispatch, **options)  # wrong options are an error here, not at build
        self._options[name] = options
        return self

    def _with(
        self, name: str, middleware: Callable[..., ASGIApp], app: ASGIApp, **more: Any
    ) -> ASGIApp:
        if name not in self._options:
            return app
        return middleware(app, **self._options[name], **more)


_NO_STORE = {"cache-control": "no-store"}
