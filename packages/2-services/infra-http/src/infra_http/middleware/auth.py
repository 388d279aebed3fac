"""Who is asking: a hook that is called before the handler of every route that wants to know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.requests import HTTPConnection, Request

from infra_errors import InfraError, Status, UnauthenticatedError
from infra_http.middleware._answers import judged

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from starlette.types import ASGIApp, Receive, Scope, Send

    AuthHook = Callable[[Any], Awaitable[Any]]

__all__ = ["Auth"]

_SHOWN = {401, 403, 429, 503}


class Auth:
    """Sets `request.state.identity` and `scope["infra.identity"]` to what the hook returns.

    The hook takes the Request (the WebSocket's connection, for one). An AuthError of it is a 401
    with a challenge, a permission denied a 403; None is a 401, for nobody is anonymous here;
    429 and 503 pass; everything else is a 500 that says nothing.

    Args:
        app: the application.
        hook: the asynchronous function.
        challenge: the `WWW-Authenticate` of a 401.
        exclude: paths that need nobody: route templates, and prefixes of mounted applications.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hook: AuthHook,
        challenge: str = "Bearer",
        exclude: Collection[str] = (),
    ) -> None:
        self._app = app
        self._hook = hook
        self._challenge = challenge
        self._exclude = frozenset([exclude] if isinstance(exclude, str) else exclude)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "lifespan" and self._wants(scope):
            is_http = scope["type"] == "http"
            identity = await self._ask(
                Request(scope, receive) if is_http else HTTPConnection(scope, receive)
            )
            scope["infra.identity"] = identity
            scope.setdefault("state", {})["identity"] = identity
        await self._app(scope, receive, send)

    def _wants(self, scope: Scope) -> bool:
        if "infra.route" not in scope:  # around an application that is not ours
            return scope["path"] not in self._exclude
        route = scope["infra.route"]
        # a path without a route is a 404 for everybody
        return route is not None and route.auth and route.path not in self._exclude

    async def _ask(self, connection: HTTPConnection) -> Any:
        try:
            identity = await self._hook(connection)
        except Exception as exc:
            if isinstance(exc, InfraError) and judged(exc).http_status in _SHOWN:
                raise
            message = "the auth hook failed"
            raise InfraError(message, code="http.auth_hook", status=Status.INTERNAL) from exc
        if identity is None:
            message = "no identity"
            raise UnauthenticatedError(message, code="http.unauthenticated")
        return identity
