"""Routes: one look-up a request, before anything asks what was asked for."""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import attrs
from starlette.datastructures import URLPath
from starlette.responses import Response
from starlette.routing import NoMatchFound, compile_path, replace_params

from infra_http.errors import HttpConfigError, MethodNotAllowed, RouteNotFound
from infra_http.responses import to_response
from infra_http.server.request import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from re import Pattern

    from starlette.convertors import Convertor
    from starlette.types import ASGIApp, Receive, Scope, Send

    from infra_http.server.threads import Threads

__all__ = ["Route", "Routes", "dispatch", "http_app"]


@attrs.frozen(kw_only=True, eq=False)
class Route:
    """One route, as `scope["infra.route"]` has it: the template and what was said of it.

    `methods` is empty for web sockets and mounts; `quiet` are health checks, which are neither
    logged nor counted.
    """

    path: str
    app: ASGIApp
    kind: Literal["http", "websocket", "mount"] = "http"
    methods: tuple[str, ...] = ()
    handler: Any = None
    name: str = ""
    summary: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    request: Any = None
    responses: Mapping[int, Any] | None = None
    parameters: Sequence[Mapping[str, Any]] = ()
    auth: bool = True
    max_body: int | None = None
    timeout: float | Literal["default"] | None = "default"
    include_in_schema: bool = True
    quiet: bool = False

    def time_or(self, default: float | None) -> float | None:
        """Return the seconds that a request to this route may take."""
        return default if self.timeout == "default" else self.timeout


@attrs.define
class _Path:
    """All routes of one template."""

    regex: Pattern[str]
    convertors: dict[str, Convertor[Any]]
    by_method: dict[str, Route] = attrs.field(factory=dict)


class Routes:
    """The table of routes.

    A path without parameters wins over one with them, those are tried in the order they were
    added, and mounts come last, the longest prefix first. A route for GET answers HEAD.
    """

    def __init__(self, routes: Sequence[Route]) -> None:
        self.all = tuple(routes)
        self._static: dict[str, dict[str, Route]] = {}
        self._dynamic: dict[str, _Path] = {}
        self._mounts: list[tuple[str, Route]] = []
        self._names: dict[str, tuple[str, dict[str, Convertor[Any]]]] = {}
        for route in routes:
            if route.kind == "mount":
                self._mounts.append((route.path.rstrip("/"), route))
            else:
                self._add(route)
        self._mounts.sort(key=lambda mount: -len(mount[0]))

    def _add(self, route: Route) -> None:
        try:
            regex, template, convertors = compile_path(route.path)
        except (ValueError, AssertionError) as exc:
            message = f"route {route.path}: {exc}"
            raise HttpConfigError(message) from exc
        if convertors:
            # `/a/{x:int}` and `/a/{y}` match differently: the regex is the key
            path = self._dynamic.setdefault(regex.pattern, _Path(regex, convertors))
            table = path.by_method
        else:
            table = self._static.setdefault(route.path, {})
        methods = ("WEBSOCKET",) if route.kind == "websocket" else route.methods
        for method in methods:
            if method in table and table[method].handler is not None:
                message = f"route {method} {route.path} is there twice"
                raise HttpConfigError(message)
            table[method] = route
        if "GET" in methods:
            table.setdefault("HEAD", route)
        if route.name:
            self._names.setdefault(route.name, (template, convertors))

    def resolve(self, scope: Scope) -> None:
        """Set `infra.route`, and `path_params`, or `infra.allow` where only the method is wrong."""
        path: str = scope["path"]
        root: str = scope.get("root_path", "")
        if root and path.startswith(root):
            path = path[len(root) :]
        method = scope["method"] if scope["type"] == "http" else "WEBSOCKET"
        table = self._static.get(path)
        if table is not None and (route := table.get(method)) is not None:
            scope["infra.route"] = route
            scope["endpoint"] = route.handler
            scope["path_params"] = {}
            return
        allowed = {} if table is None else {**table}
        for candidate in self._dynamic.values():
            if (match := candidate.regex.match(path)) is None:
                continue
            route = candidate.by_method.get(method)
            if route is None:
                allowed |= candidate.by_method
                continue
            scope["infra.route"] = route
            scope["endpoint"] = route.handler
            scope["path_params"] = {
                name: candidate.convertors[name].convert(text)
                for name, text in match.groupdict().items()
            }
            return
        scope["infra.route"] = None
        if names := sorted(allowed.keys() - {"WEBSOCKET"}):
            scope["infra.allow"] = ", ".join(names).encode("ascii")
            return
        for prefix, route in self._mounts:
            if path == prefix or path.startswith(prefix + "/"):
                scope["infra.route"] = route
                return

    def url_path_for(self, name: str, /, **params: Any) -> URLPath:
        """Return the path of the route with this name; `request.url_for` is made of it."""
        if name not in self._names:
            raise NoMatchFound(name, params)
        template, convertors = self._names[name]
        if params.keys() != convertors.keys():
            raise NoMatchFound(name, params)
        path, _ = replace_params(template, convertors, dict(params))
        return URLPath(path=path, protocol="http")


async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
    """Run what `Routes.resolve` found."""
    route: Route | None = scope["infra.route"]
    if route is not None:
        await route.app(scope, receive, send)
    elif "infra.allow" in scope:
        raise MethodNotAllowed
    else:
        raise RouteNotFound


def http_app(handler: Callable[[Any], Any], threads: Threads) -> ASGIApp:
    """Return the application that answers with what the handler returns.

    A handler that is no coroutine function runs in one of `threads`.
    """
    call = handler if _is_async(handler) else partial(_in_thread, threads, handler)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        result = await call(Request(scope, receive, send))
        response = result if isinstance(result, Response) else to_response(result)
        await response(scope, receive, send)

    return app


async def _in_thread(threads: Threads, handler: Callable[[Any], Any], request: Request) -> Any:
    result = await threads.run(handler, request)
    # a plain function may still return a coroutine: a lambda around an asynchronous one
    return await result if inspect.isawaitable(result) else result


def _is_async(handler: Any) -> bool:
    while isinstance(handler, partial):
        handler = handler.func
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(
        getattr(handler, "__call__", None)  # noqa: B004 - the method is what is asked about
    )


def mount_app(prefix: str, app: ASGIApp) -> ASGIApp:
    """Return the application with its prefix moved to `root_path`, as ASGI has it."""
    prefix = prefix.rstrip("/")

    async def mounted(scope: Scope, receive: Receive, send: Send) -> None:
        root = scope.get("root_path", "")
        inner = {
            **scope,
            "app_root_path": scope.get("app_root_path", root),
            "root_path": root + prefix,
            "endpoint": app,
        }
        await app(inner, receive, send)

    return mounted
