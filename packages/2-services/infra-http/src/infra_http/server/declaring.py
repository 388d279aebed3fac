"""The part of the builder that says which paths there are, and what answers them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from infra_http.errors import HttpConfigError
from infra_http.server.routes import Route, http_app, mount_app
from infra_http.server.sockets import socket_app
from infra_http.server.threads import Threads

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from starlette.types import ASGIApp

__all__ = ["RouteDeclarations"]

H = TypeVar("H", bound="Callable[..., Any]")
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"}


class RouteDeclarations:
    """The routes of a builder, in the order they were said."""

    def __init__(self) -> None:
        self._routes: list[Route] = []
        self._threads = Threads()

    def route(
        self,
        path: str,
        handler: Callable[[Any], Any],
        *,
        methods: Collection[str] = ("GET",),
        name: str | None = None,
        summary: str = "",
        description: str = "",
        tags: Sequence[str] = (),
        request: Any = None,
        responses: Mapping[int, Any] | None = None,
        parameters: Sequence[Mapping[str, Any]] = (),
        auth: bool = True,
        max_body: int | None = None,
        timeout: float | Literal["default"] | None = "default",
        include_in_schema: bool = True,
    ) -> Self:
        """Answer requests to a path with what a handler returns.

        Args:
            path: a template like `/items/{id:int}`, with Starlette's converters.
            handler: takes a Request; asynchronous, or plain, which runs in a thread (40 at most).
                It returns a Response, text, or what JSON can be made of.
            methods: those it answers; GET brings HEAD.
            name: for `request.url_for`, and the operationId; the function's name.
            summary, description, tags: for the OpenAPI document.
            request: the type of the JSON body, for the document; `await request.json(type)` reads
                it.
            responses: types or descriptions of the answers by status, for the document.
            parameters: OpenAPI parameter objects, for queries and headers.
            auth: whether the auth hook is asked.
            max_body: bytes of a body; None is the server's limit.
            timeout: seconds; None for no limit, which streams and events need.
            include_in_schema: whether the document shows it.

        Raises:
            ConfigError: `http.config`, for a path, method or limit that cannot be.
        """
        names = tuple(
            [method.upper() for method in ([methods] if isinstance(methods, str) else methods)]
        )
        if not path.startswith("/"):
            message = f"route {path!r}: a path begins with /"
            raise HttpConfigError(message)
        if not names or set(names) - _METHODS:
            message = f"route {path}: methods {', '.join(names) or 'none'} are not those of HTTP"
            raise HttpConfigError(message)
        if not (timeout is None or timeout == "default" or timeout > 0):
            message = f"route {path}: timeout is a number of seconds above 0, or None for none"
            raise HttpConfigError(message)
        self._routes.append(
            Route(
                path=path,
                app=http_app(handler, self._threads),
                methods=names,
                handler=handler,
                name=name or str(getattr(handler, "__name__", type(handler).__name__)),
                summary=summary,
                description=description,
                tags=tuple(tags),
                request=request,
                responses=responses,
                parameters=parameters,
                auth=auth,
                max_body=max_body,
                timeout=timeout,
                include_in_schema=include_in_schema,
            )
        )
        return self

    def get(self, path: str, **options: Any) -> Callable[[H], H]:
        """Decorate the handler of GET requests to a path; options as `route`."""
        return self._decorator(path, "GET", options)

    def post(self, path: str, **options: Any) -> Callable[[H], H]:
        """Decorate the handler of POST requests to a path; options as `route`."""
        return self._decorator(path, "POST", options)

    def put(self, path: str, **options: Any) -> Callable[[H], H]:
        """Decorate the handler of PUT requests to a path; options as `route`."""
        return self._decorator(path, "PUT", options)

    def patch(self, path: str, **options: Any) -> Callable[[H], H]:
        """Decorate the handler of PATCH requests to a path; options as `route`."""
        return self._decorator(path, "PATCH", options)

    def delete(self, path: str, **options: Any) -> Callable[[H], H]:
        """Decorate the handler of DELETE requests to a path; options as `route`."""
        return self._decorator(path, "DELETE", options)

    def _decorator(self, path: str, method: str, options: dict[str, Any]) -> Callable[[H], H]:
        def add(handler: H) -> H:
            self.route(path, handler, methods=(method,), **options)
            return handler

        return add

    def websocket(
        self, path: str, handler: Callable[[Any], Any], *, name: str = "", auth: bool = True
    ) -> Self:
        """Answer web sockets on a path; the handler takes a Starlette WebSocket and accepts it."""
        self._routes.append(
            Route(
                path=path,
                app=socket_app(handler),
                kind="websocket",
                handler=handler,
                name=name,
                auth=auth,
            )
        )
        return self

    def mount(self, prefix: str, app: ASGIApp, *, auth: bool = True) -> Self:
        """Give all below a prefix that no route takes to another ASGI application.

        Its lifespan is not run: enter what it needs in `lifespan`.
        """
        if prefix and not prefix.startswith("/"):
            message = f"mount {prefix!r}: a prefix begins with /"
            raise HttpConfigError(message)
        route = Route(path=prefix or "/", app=mount_app(prefix, app), kind="mount", auth=auth)
        self._routes.append(route)
        return self
